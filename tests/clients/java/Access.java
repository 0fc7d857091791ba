import io.github.centrifugal.centrifuge.Client;
import io.github.centrifugal.centrifuge.ConnectedEvent;
import io.github.centrifugal.centrifuge.ConnectingEvent;
import io.github.centrifugal.centrifuge.ConnectionTokenEvent;
import io.github.centrifugal.centrifuge.ConnectionTokenGetter;
import io.github.centrifugal.centrifuge.DisconnectedEvent;
import io.github.centrifugal.centrifuge.EventListener;
import io.github.centrifugal.centrifuge.Options;
import io.github.centrifugal.centrifuge.PublicationEvent;
import io.github.centrifugal.centrifuge.ReplyError;
import io.github.centrifugal.centrifuge.ServerPublicationEvent;
import io.github.centrifugal.centrifuge.SubscribedEvent;
import io.github.centrifugal.centrifuge.SubscribingEvent;
import io.github.centrifugal.centrifuge.Subscription;
import io.github.centrifugal.centrifuge.SubscriptionEventListener;
import io.github.centrifugal.centrifuge.SubscriptionOptions;
import io.github.centrifugal.centrifuge.SubscriptionTokenEvent;
import io.github.centrifugal.centrifuge.SubscriptionTokenGetter;
import io.github.centrifugal.centrifuge.TokenCallback;
import io.github.centrifugal.centrifuge.UnsubscribedEvent;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The checks of access.py with centrifuge-java. Arguments: client URL, protobuf, secret. */
public final class Access {
    private static String url;
    private static String secret;

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Returns a token with claims in JSON, without the braces. */
    private static String token(String claims, String secret) {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        String head = base64.encodeToString(utf8("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"));
        String signed = head + "." + base64.encodeToString(utf8("{" + claims + "}"));
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(utf8(secret), "HmacSHA256"));
            return signed + "." + base64.encodeToString(mac.doFinal(utf8(signed)));
        } catch (java.security.GeneralSecurityException fault) {
            throw new IllegalStateException(fault);
        }
    }

    /** Returns a token of the user ann. Further claims begin with a comma. */
    private static String ann(String claims) {
        return token("\"sub\":\"ann\"" + claims, secret);
    }

    /** Returns the claim `exp` after a comma. */
    private static String expires(long seconds) {
        return ",\"exp\":" + (Instant.now().getEpochSecond() + seconds);
    }

    private static void until(BooleanSupplier condition, String what) throws InterruptedException {
        Conductor.until(condition, () -> what, Conductor.WAIT_S);
    }

    /** A client that records what happens to it. `make` returns the token of each fetch. */
    private static final class Session extends EventListener implements AutoCloseable {
        final AtomicInteger fetched = new AtomicInteger();
        final AtomicInteger connected = new AtomicInteger();
        final List<Integer> connecting = new CopyOnWriteArrayList<>();
        final List<Integer> codes = new CopyOnWriteArrayList<>();
        final List<String> got = new CopyOnWriteArrayList<>();
        final Client client;

        Session(IntFunction<String> make) {
            Options options = new Options();
            options.setTokenGetter(
                    new ConnectionTokenGetter() {
                        @Override
                        public void getConnectionToken(ConnectionTokenEvent event, TokenCallback callback) {
                            callback.Done(null, make.apply(fetched.incrementAndGet()));
                        }
                    });
            client = new Client(url, options, this);
            client.connect();
        }

        /** Opens a client and waits until it is connected. */
        static Session open(IntFunction<String> make) throws InterruptedException {
            Session session = new Session(make);
            until(() -> session.connected.get() > 0, "connected");
            return session;
        }

        @Override
        public void close() throws InterruptedException {
            client.close(1000);
        }

        @Override
        public void onConnected(Client client, ConnectedEvent event) {
            connected.incrementAndGet();
        }

        @Override
        public void onConnecting(Client client, ConnectingEvent event) {
            connecting.add(event.getCode());
        }

        @Override
        public void onDisconnected(Client client, DisconnectedEvent event) {
            codes.add(event.getCode());
        }

        @Override
        public void onPublication(Client client, ServerPublicationEvent event) {
            got.add(new String(event.getData(), StandardCharsets.UTF_8));
        }

        /** Subscribes. `make` returns the token of each fetch, or is null. */
        Topic subscribe(String name, IntFunction<String> make) throws Exception {
            Topic topic = new Topic();
            SubscriptionOptions options = new SubscriptionOptions();
            if (make != null) {
                options.setTokenGetter(
                        new SubscriptionTokenGetter() {
                            @Override
                            public void getSubscriptionToken(SubscriptionTokenEvent event, TokenCallback callback) {
                                callback.Done(null, make.apply(topic.fetched.incrementAndGet()));
                            }
                        });
            }
            client.newSubscription(name, options, topic).subscribe();
            return topic;
        }

        /** Publishes and returns the code of the error, or 0. */
        int publish(String topic) throws Exception {
            CompletableFuture<Integer> code = new CompletableFuture<>();
            client.publish(
                    topic,
                    utf8("1"),
                    (fault, result) -> {
                        if (fault == null) code.complete(0);
                        else if (fault instanceof ReplyError refusal) code.complete(refusal.getCode());
                        else code.completeExceptionally(fault);
                    });
            return code.get(Conductor.WAIT_S, TimeUnit.SECONDS);
        }
    }

    /** A subscription that records what happens to it. */
    private static final class Topic extends SubscriptionEventListener {
        final AtomicInteger fetched = new AtomicInteger();
        final AtomicInteger subscribed = new AtomicInteger();
        final List<Integer> subscribing = new CopyOnWriteArrayList<>();
        final List<Integer> codes = new CopyOnWriteArrayList<>();
        final List<String> got = new CopyOnWriteArrayList<>();

        @Override
        public void onSubscribed(Subscription subscription, SubscribedEvent event) {
            subscribed.incrementAndGet();
        }

        @Override
        public void onSubscribing(Subscription subscription, SubscribingEvent event) {
            subscribing.add(event.getCode());
        }

        @Override
        public void onUnsubscribed(Subscription subscription, UnsubscribedEvent event) {
            codes.add(event.getCode());
        }

        @Override
        public void onPublication(Subscription subscription, PublicationEvent event) {
            got.add(new String(event.getData(), StandardCharsets.UTF_8));
        }
    }

    private static void fetchedAgain() throws Exception {
        try (Session session = Session.open(number -> ann(number == 1 ? expires(-5) : ""))) {
            Conductor.same(session.fetched.get(), 2, "fetches");
        }
    }

    private static void falseToken() throws Exception {
        String other = token("\"sub\":\"ann\"", "another secret of at least 32 bytes");
        try (Session session = new Session(number -> other)) {
            until(() -> !session.codes.isEmpty(), "disconnected");
            Conductor.same(session.codes, List.of(3500), "codes");
        }
    }

    private static void refreshed() throws Exception {
        try (Session session = Session.open(number -> ann(expires(2)))) {
            until(() -> session.fetched.get() >= 3, "a third fetch");
            Conductor.same(session.connected.get(), 1, "times connected");
        }
    }

    /** Returns the claim `exp` of each token of a client whose first refresh fails. */
    private static String expiresOf(int number) {
        return expires(number == 1 ? 2 : number == 2 ? -5 : 600);
    }

    private static void expiredRefresh() throws Exception {
        try (Session session = new Session(number -> ann(expiresOf(number)))) {
            until(() -> session.connected.get() == 2, "connected again");
            Conductor.same(session.connecting, List.of(0, 3005), "codes");
        }
    }

    private static void expiredSubRefresh() throws Exception {
        String claims = "\"sub\":\"ann\",\"channel\":\"$news:2\"";
        try (Session session = Session.open(number -> ann(""))) {
            Topic topic =
                    session.subscribe("$news:2", number -> token(claims + expiresOf(number), secret));
            until(() -> topic.subscribing.contains(2501), "code 2501");
            Conductor.same(session.connected.get(), 1, "times connected");
        }
    }

    private static void serverSide() throws Exception {
        try (Session session = Session.open(number -> ann(",\"channels\":[\"chat:server\"]"))) {
            Conductor.same(session.publish("chat:server"), 0, "publish");
            until(() -> !session.got.isEmpty(), "a publication");
            Conductor.same(session.got, List.of("1"), "publications");
        }
    }

    /**
     * Unlike in the other SDKs, the first token has not expired: after error 109, version 0.4.1 plans
     * another attempt and ends the subscription as well, with any server.
     */
    private static void privateTopic() throws Exception {
        try (Session session = Session.open(number -> ann(""))) {
            Topic refused = session.subscribe("$news:refused", null);
            until(() -> !refused.codes.isEmpty(), "refused");
            String claims = "\"sub\":\"ann\",\"channel\":\"$news:1\"";
            Topic granted =
                    session.subscribe("$news:1", number -> token(claims + expires(2), secret));
            until(() -> granted.fetched.get() >= 3, "a third fetch");
            Conductor.same(granted.subscribed.get(), 1, "times subscribed");
        }
    }

    private static void permissions() throws Exception {
        try (Session session = Session.open(number -> ann(""))) {
            Topic chat = null;
            for (String name : List.of("news:1", "inbox:box#ann", "inbox:box#bob,ann", "chat:1")) {
                Topic topic = session.subscribe(name, null);
                until(() -> topic.subscribed.get() == 1, "subscribed to " + name);
                chat = topic;
            }
            for (String name : List.of("other", "inbox:box", "inbox:box#bob", "inbox:box#annette")) {
                Topic topic = session.subscribe(name, null);
                until(() -> !topic.codes.isEmpty(), "refused " + name);
            }
            Topic published = chat;
            Conductor.same(session.publish("chat:1"), 0, "publish");
            until(() -> !published.got.isEmpty(), "a publication");
            for (String name : List.of("news:1", "chat:2")) {
                Conductor.same(session.publish(name), 103, "publish to " + name);
            }
        }
    }

    public static void main(String[] arguments) {
        url = arguments[0];
        secret = arguments[2];
        Conductor.check("a token connects, and an expired one is fetched again", Access::fetchedAgain);
        Conductor.check("a token with another signature ends the client", Access::falseToken);
        Conductor.check("a connection is refreshed before it is closed", Access::refreshed);
        Conductor.check(
                "an expired token in a refresh ends the connection, and the SDK connects again",
                Access::expiredRefresh);
        Conductor.check(
                "an expired token in a sub_refresh ends the subscription, and the SDK subscribes again",
                Access::expiredSubRefresh);
        Conductor.check("the server subscribes the client to the topics of its token", Access::serverSide);
        Conductor.check("a private topic needs a subscription token, which is refreshed", Access::privateTopic);
        Conductor.check("permissions decide about subscribing and publishing", Access::permissions);
        Conductor.done();
    }
}
