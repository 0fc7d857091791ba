import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ.Socket;
import org.zeromq.ZMsg;

/**
 * JeroMQ on PUSH, PUB, REQ and DEALER, on the main thread. Arguments: pull, sub, router, control URL.
 */
public final class JeroMq {
    private static final int MESSAGES = 100;
    private static final byte[] DELIMITER = {};

    private final ZContext context = new ZContext();
    private final Conductor conductor;
    private final String pull;
    private final String sub;
    private final String router;

    private JeroMq(String[] arguments) {
        pull = arguments[0];
        sub = arguments[1];
        router = arguments[2];
        conductor = new Conductor(arguments[3]);
        context.setLinger(10_000);
    }

    private Socket open(SocketType type, String endpoint) {
        Socket socket = context.createSocket(type);
        socket.setSendTimeOut(10_000);
        socket.setReceiveTimeOut(10_000);
        // Up to 1 of 100 connections of JeroMQ send no greeting, whatever the peer, and JeroMQ connects
        // again when this time has passed, by default 30 s (zeromq/jeromq, pull request 1022).
        socket.setHandshakeIvl(1_000);
        socket.connect(endpoint);
        return socket;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Sends the frames, and returns without waiting for a reply. */
    private static void send(Socket socket, List<byte[]> frames) {
        ZMsg message = new ZMsg();
        frames.forEach(message::add);
        Conductor.same(message.send(socket), true, "sent");
    }

    private static void publish(Socket socket, List<byte[]> leading, String name, int n) {
        List<byte[]> frames = new ArrayList<>(leading);
        frames.add(bytes("from"));
        frames.add(bytes(Conductor.padded("jeromq " + name, n)));
        send(socket, frames);
    }

    private static List<byte[]> receive(Socket socket) {
        ZMsg message = ZMsg.recvMsg(socket);
        if (message == null) throw new AssertionError("no reply");
        return message.stream().map(frame -> frame.getData()).toList();
    }

    /** Receives the leading frames and `ok`. */
    private static void acknowledged(Socket socket, List<byte[]> leading) {
        List<byte[]> reply = receive(socket);
        List<byte[]> expected = new ArrayList<>(leading);
        expected.add(bytes("ok"));
        Conductor.same(reply.size(), expected.size(), "frames of the reply");
        for (int index = 0; index < reply.size(); index++) {
            Conductor.same(reply.get(index), expected.get(index), "frame " + index + " of the reply");
        }
    }

    private List<Integer> received(String name, int count) throws Exception {
        String numbers = conductor.ask("/received", "from", "jeromq " + name, "count", "" + count);
        String inner = numbers.substring(1, numbers.length() - 1);
        if (inner.isEmpty()) return List.of();
        return Arrays.stream(inner.split(", ")).map(Integer::valueOf).toList();
    }

    /** Checks that a client received 0 to MESSAGES-1 in order. The probes of PUB (-1) are ignored. */
    private void arrived(String name, int count) throws Exception {
        List<Integer> got = received(name, count).stream().filter(n -> n != -1).toList();
        Conductor.same(got, IntStream.range(0, MESSAGES).boxed().toList(), "arrived");
    }

    private void push() throws Exception {
        try (Socket socket = open(SocketType.PUSH, pull)) {
            for (int n = 0; n < MESSAGES; n++) publish(socket, List.of(), "push", n);
            arrived("push", MESSAGES);
        }
    }

    /** Sends probes until the subscription has reached the PUB socket, which drops messages before. */
    private void pub() throws Exception {
        try (Socket socket = open(SocketType.PUB, sub)) {
            for (int sent = 0; received("pub", 0).isEmpty(); sent++) {
                Conductor.same(sent < 500, true, "a probe arrives");
                publish(socket, List.of(), "pub", -1);
                Thread.sleep(20);
            }
            for (int n = 0; n < MESSAGES; n++) publish(socket, List.of(), "pub", n);
            publish(socket, List.of(), "pub end", 0);
            received("pub end", 1);
            arrived("pub", 0);
        }
    }

    private void req() throws Exception {
        try (Socket socket = open(SocketType.REQ, router)) {
            for (int n = 0; n < MESSAGES; n++) {
                publish(socket, List.of(), "req", n);
                acknowledged(socket, List.of());
            }
            send(socket, List.of(bytes("meta"), bytes("{}"), bytes("{\"key\":\"value\"}")));
            acknowledged(socket, List.of());
            arrived("req", MESSAGES);
        }
    }

    private static List<byte[]> frames(String... texts) {
        return Arrays.stream(texts).map(JeroMq::bytes).toList();
    }

    private void refusals() {
        Map<String, List<byte[]>> refused = new LinkedHashMap<>();
        refused.put("topic_empty", frames("", "{}"));
        refused.put("topic_too_long", frames("x".repeat(256), "{}"));
        refused.put("topic_control", frames("a\u0007", "{}"));
        refused.put("topic_not_utf8", List.of(new byte[] {-1, -2}, bytes("{}")));
        refused.put("payload_not_json", frames("topic", "{"));
        refused.put("parts", frames("topic", "{}", "{}", "{}"));
        refused.put("meta_not_object", frames("topic", "{}", "[]"));
        refused.put("payload_too_large", frames("topic", '"' + "x".repeat(2 << 20) + '"'));
        try (Socket socket = open(SocketType.REQ, router)) {
            refused.forEach((code, frames) -> {
                send(socket, frames);
                List<byte[]> reply = receive(socket);
                Conductor.same(reply.size(), 3, "frames of the reply to " + code);
                Conductor.same(new String(reply.get(0)), "error", code);
                Conductor.same(new String(reply.get(1)), code, "code");
                Conductor.same(reply.get(2).length > 0, true, "text of " + code);
                send(socket, frames("topic", "{}"));
                acknowledged(socket, List.of());
            });
        }
    }

    private void dealer() throws Exception {
        List<byte[]> leading = List.of(bytes("route"), new byte[] {0, -1}, new byte[300]);
        try (Socket socket = open(SocketType.DEALER, router)) {
            for (int n = 0; n < MESSAGES; n++) {
                List<byte[]> route = new ArrayList<>(leading.subList(0, n % 4));
                route.add(DELIMITER);
                publish(socket, route, "dealer", n);
                acknowledged(socket, route);
            }
            arrived("dealer", MESSAGES);
        }
    }

    /** A DEALER can send requests without waiting. Replies arrive in the order of the requests. */
    private void pipelined() throws Exception {
        try (Socket socket = open(SocketType.DEALER, router)) {
            for (int n = 0; n < MESSAGES; n++) {
                publish(socket, List.of(bytes("" + n), DELIMITER), "pipeline", n);
            }
            for (int n = 0; n < MESSAGES; n++) acknowledged(socket, List.of(bytes("" + n), DELIMITER));
            arrived("pipeline", MESSAGES);
        }
    }

    public static void main(String[] arguments) {
        JeroMq jeromq = new JeroMq(arguments);
        Conductor conductor = jeromq.conductor;
        conductor.check("PUSH", jeromq::push);
        conductor.check("PUB", jeromq::pub);
        conductor.check("REQ: replies", jeromq::req);
        conductor.check("REQ: refusals with code and text", jeromq::refusals);
        conductor.check("DEALER: the reply repeats the leading frames", jeromq::dealer);
        conductor.check("DEALER: 100 requests in flight", jeromq::pipelined);
        conductor.end();
    }
}
