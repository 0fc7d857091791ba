import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/** The checks of a WebSocket library in Java. Runs on the main thread. */
final class Scenario {
    private static final int MESSAGES = 500;
    private static final String UNICODE = "naïve Ωμέγα 日本語 עברית 👩‍👩‍👧‍👦 \"quoted\" \\ \u2028 \u0000 \ufeff";
    private static final byte[] EVERY_BYTE = new byte[512 << 10];

    static {
        for (int index = 0; index < EVERY_BYTE.length; index++) EVERY_BYTE[index] = (byte) index;
    }

    private final Conductor conductor;
    private final Connection.Opener opener;
    private final String name;
    private final String base;

    /** `base` is the URL of the server without a path. */
    Scenario(String name, String base, Conductor conductor, Connection.Opener opener) {
        this.name = name;
        this.base = base;
        this.conductor = conductor;
        this.opener = opener;
    }

    private void publish(String topic) throws Exception {
        conductor.ask("/publish", "topic", topic, "count", "" + MESSAGES, "from", name);
    }

    void inOrder(boolean compressed) throws Exception {
        try (Connection connection = opener.open(base + "/raw?topic=order", compressed)) {
            publish("order");
            for (int n = 0; n < MESSAGES; n++) {
                Conductor.same(connection.receive(), Conductor.padded(name, n), "message " + n);
            }
        }
    }

    /** Reads the lines of the client protocol. Answers pings. */
    private static String line(Connection connection, Deque<String> lines) throws Exception {
        while (true) {
            if (lines.isEmpty()) {
                lines.addAll(Arrays.asList(((String) connection.receive()).split("\n")));
            }
            String line = lines.remove();
            if (!line.equals("{}")) return line;
            connection.send("{}");
        }
    }

    private void clientProtocol() throws Exception {
        try (Connection connection = opener.open(base + "/connection/websocket", true)) {
            Deque<String> lines = new ArrayDeque<>();
            connection.send("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"order\"}}");
            String welcome = line(connection, lines);
            Conductor.same(welcome.startsWith("{\"id\":1,\"connect\":{"), true, welcome);
            Conductor.same(line(connection, lines), "{\"id\":2,\"subscribe\":{}}", "reply");
            publish("order");
            for (int n = 0; n < MESSAGES; n++) {
                String push = "{\"push\":{\"channel\":\"order\",\"pub\":{\"data\":%s}}}";
                Conductor.same(line(connection, lines), push.formatted(Conductor.padded(name, n)), "push " + n);
            }
        }
    }

    private void identical(String topic, Object payload) throws Exception {
        byte[] body = payload instanceof String text ? text.getBytes(StandardCharsets.UTF_8) : (byte[]) payload;
        try (Connection connection = opener.open(base + "/raw?topic=" + topic, true)) {
            conductor.ask("/publish", body, "topic", topic);
            Conductor.same(connection.receive(), payload, "payload");
        }
    }

    private void drains() throws Exception {
        try (Connection connection = opener.open(base + "/raw?topic=drain", true)) {
            conductor.ask("/restart", "how", "drain");
            Conductor.same(connection.closeCode(), 3001, "close code");
        }
    }

    void run() {
        conductor.check("500 messages on /raw, compressed", () -> inOrder(true));
        conductor.check("500 messages on /raw, without compression", () -> inOrder(false));
        conductor.check("500 messages in the client protocol", this::clientProtocol);
        conductor.check("512 KiB of text", () -> identical("text:large", UNICODE.repeat(8_000)));
        conductor.check("512 KiB of binary", () -> identical("binary:large", EVERY_BYTE));
        conductor.check("a drain closes with 3001", this::drains);
    }
}
