import io.github.centrifugal.centrifuge.Client;
import io.github.centrifugal.centrifuge.ClientState;
import io.github.centrifugal.centrifuge.ConnectedEvent;
import io.github.centrifugal.centrifuge.ConnectingEvent;
import io.github.centrifugal.centrifuge.DisconnectedEvent;
import io.github.centrifugal.centrifuge.EventListener;
import io.github.centrifugal.centrifuge.Options;
import io.github.centrifugal.centrifuge.PublicationEvent;
import io.github.centrifugal.centrifuge.ReplyError;
import io.github.centrifugal.centrifuge.SubscribedEvent;
import io.github.centrifugal.centrifuge.Subscription;
import io.github.centrifugal.centrifuge.SubscriptionEventListener;
import io.github.centrifugal.centrifuge.UnsubscribedEvent;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.WebSocket;

/** centrifuge-java, which speaks only Protobuf. Arguments: client URL, control URL. */
public final class Sdk {
    private static final String UNICODE =
            "naïve Ωμέγα 日本語 עברית नमस्ते 👩‍👩‍👧‍👦 \"quoted\" \\ \u0000 \u001f \ufeff \udbff\udfff";
    private static final String LARGE = UNICODE.repeat(8_000); // more than 512 KiB of UTF-8

    private static String url;
    private static Conductor conductor;

    /** A client that records its state changes. `close` disconnects it. */
    private static final class Session extends EventListener implements AutoCloseable {
        final AtomicInteger connected = new AtomicInteger();
        final List<Integer> connecting = new CopyOnWriteArrayList<>();
        final List<Integer> disconnected = new CopyOnWriteArrayList<>();
        final Client client = new Client(url, new Options(), this);

        Session() throws Exception {
            client.connect();
            Conductor.until(() -> connected.get() > 0, () -> "connected", Conductor.WAIT_S);
        }

        @Override
        public void close() throws InterruptedException {
            client.close(1000);
        }

        @Override
        public void onConnecting(Client client, ConnectingEvent event) {
            connecting.add(event.getCode());
        }

        @Override
        public void onConnected(Client client, ConnectedEvent event) {
            connected.incrementAndGet();
        }

        @Override
        public void onDisconnected(Client client, DisconnectedEvent event) {
            disconnected.add(event.getCode());
        }

        Topic subscribe(String name) throws Exception {
            Topic topic = new Topic();
            topic.subscription = client.newSubscription(name, topic);
            topic.subscription.subscribe();
            Conductor.until(
                    () -> topic.replies.get() > 0 || !topic.left.isEmpty(),
                    () -> "a reply to subscribe " + name,
                    Conductor.WAIT_S);
            return topic;
        }

        /** Publishes and returns the code of the error, or 0. */
        int publish(String topic, byte[] payload) throws Exception {
            CompletableFuture<Integer> code = new CompletableFuture<>();
            client.publish(
                    topic,
                    payload,
                    (fault, result) -> {
                        if (fault == null) code.complete(0);
                        else if (fault instanceof ReplyError refusal) code.complete(refusal.getCode());
                        else code.completeExceptionally(fault);
                    });
            return code.get(Conductor.WAIT_S, TimeUnit.SECONDS);
        }
    }

    /** A subscription and its received publications. `left` holds the codes of its ends. */
    private static final class Topic extends SubscriptionEventListener {
        final List<String> got = new CopyOnWriteArrayList<>();
        final List<Integer> left = new CopyOnWriteArrayList<>();
        final AtomicInteger replies = new AtomicInteger();
        Subscription subscription;

        @Override
        public void onPublication(Subscription subscription, PublicationEvent event) {
            got.add(new String(event.getData(), StandardCharsets.UTF_8));
        }

        @Override
        public void onSubscribed(Subscription subscription, SubscribedEvent event) {
            replies.incrementAndGet();
        }

        @Override
        public void onUnsubscribed(Subscription subscription, UnsubscribedEvent event) {
            left.add(event.getCode());
        }

        void received(List<String> expected, String what) throws InterruptedException {
            Conductor.until(
                    () -> got.size() >= expected.size(),
                    () -> what + ": " + got.size() + " of " + expected.size(),
                    Conductor.WAIT_S);
            Conductor.same(got, expected, what);
        }
    }

    /** A check that uses one session. */
    private interface Body {
        void run(Session session) throws Exception;
    }

    private static void check(String name, Body body) {
        Conductor.check(
                name,
                () -> {
                    try (Session session = new Session()) {
                        body.run(session);
                    }
                });
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static List<String> numbers(int count) {
        List<String> all = new ArrayList<>();
        for (int n = 0; n < count; n++) all.add("{\"n\":" + n + "}");
        return all;
    }

    /** Returns a JSON string. Escapes quotes, backslashes and control characters. */
    private static String json(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c < ' ') out.append(String.format("\\u%04x", (int) c));
            else if (c == '"' || c == '\\') out.append('\\').append(c);
            else out.append(c);
        }
        return out.append('"').toString();
    }

    private static void inOrder(Session session) throws Exception {
        Topic topic = session.subscribe("orders");
        conductor.count("orders", 1000);
        conductor.publish("orders", utf8("\"last\""));
        List<String> expected = numbers(1000);
        expected.add("\"last\"");
        topic.received(expected, "publications");
    }

    private static void severalTopics(Session session) throws Exception {
        List<String> names = List.of("a", "b", "日本", "with space", "c".repeat(255));
        List<Topic> topics = new ArrayList<>();
        for (String name : names) topics.add(session.subscribe(name));
        for (String name : names) conductor.count(name, 100);
        for (Topic topic : topics) {
            topic.received(numbers(100), topic.subscription.getChannel());
        }
    }

    /**
     * The SDK delivers publications that arrive before the server has read the unsubscribe. The reply
     * to a later command shows that the server has read it.
     */
    private static void unsubscribe(Session session) throws Exception {
        Topic topic = session.subscribe("busy");
        Topic marker = session.subscribe("marker");
        conductor.ask("/stream?topic=busy&rate=500");
        Conductor.until(() -> topic.got.size() >= 50, () -> "the stream", Conductor.WAIT_S);
        topic.subscription.unsubscribe();
        Conductor.until(() -> !topic.left.isEmpty(), () -> "unsubscribed", Conductor.WAIT_S);
        Conductor.same(session.publish("news", utf8("{}")), 103, "a command after the unsubscribe");
        int count = topic.got.size();
        Thread.sleep(200);
        conductor.ask("/stop");
        conductor.publish("marker", utf8("1"));
        marker.received(List.of("1"), "marker");
        Conductor.same(topic.got, numbers(count), "before the unsubscribe");
    }

    private static void payload(Session session, String name, String payload) throws Exception {
        Topic topic = session.subscribe(name);
        conductor.publish(name, utf8(payload));
        topic.received(List.of(payload), "payload");
    }

    private static void invalidTopic(Session session) throws Exception {
        for (String name : List.of("bell\u0007", "x".repeat(256))) {
            Conductor.same(session.subscribe(name).left, List.of(107), name);
        }
    }

    private static void publish(Session session) throws Exception {
        Conductor.same(session.publish("news", utf8("{\"no\":1}")), 103, "publish");
        Topic topic = session.subscribe("chat:room");
        Conductor.same(session.publish("chat:room", utf8("{\"yes\":1}")), 0, "publish where allowed");
        topic.received(List.of("{\"yes\":1}"), "publication");
    }

    private static void pings(Session session) throws Exception {
        Thread.sleep(6000); // more than two intervals and a pong timeout
        Conductor.same(session.client.getState(), ClientState.CONNECTED, "state");
        Conductor.same(session.connecting.size(), 1, "connections");
    }

    private static void resumes(Session session, String how, int code, int exit) throws Exception {
        Topic topic = session.subscribe(how);
        String answer = conductor.ask("/restart?how=" + how);
        Conductor.until(
                () -> session.connected.get() == 2 && topic.replies.get() == 2,
                () -> session.connected + " connects, " + topic.replies + " replies",
                30);
        Conductor.same(session.connecting.get(1), code, "connecting code");
        Conductor.same(answer, "{\"exit\": " + exit + "}", "exit status");
        conductor.count(how, 100);
        topic.received(numbers(100), "after the restart");
    }

    /** Sends a text message, which is not a command, through the WebSocket of the SDK. */
    private static void terminal(Session session) throws Exception {
        Field socket = Client.class.getDeclaredField("ws");
        socket.setAccessible(true);
        ((WebSocket) socket.get(session.client)).send("this is not a command");
        Conductor.until(() -> !session.disconnected.isEmpty(), () -> "disconnected", Conductor.WAIT_S);
        int code = session.disconnected.get(0);
        if (code < 3500 || code > 3999) throw new AssertionError("disconnected with " + code);
        Thread.sleep(2000); // longer than the first reconnect delay
        Conductor.same(session.connected.get(), 1, "connects");
    }

    public static void main(String[] arguments) {
        url = arguments[0];
        conductor = new Conductor(arguments[1]);
        check("connect", session -> {});
        check("1,000 messages in order", Sdk::inOrder);
        check("several topics", Sdk::severalTopics);
        check("no message after unsubscribe", Sdk::unsubscribe);
        check("unicode", session -> payload(session, "unicode", json(UNICODE)));
        check("large payload", session -> payload(session, "large", json(LARGE)));
        check("an invalid topic gets error 107", Sdk::invalidTopic);
        check("publish gets error 103 unless allowed", Sdk::publish);
        check("pings are answered", Sdk::pings);
        check("reconnect and resubscribe after kill -9", session -> resumes(session, "kill", 1, -9));
        check("a drain closes with 3001, then reconnect", session -> resumes(session, "drain", 3001, 0));
        check("a terminal code ends the client", Sdk::terminal);
        Conductor.done();
    }
}
