import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.java_websocket.client.WebSocketClient;
import org.java_websocket.drafts.Draft_6455;
import org.java_websocket.extensions.permessage_deflate.PerMessageDeflateExtension;
import org.java_websocket.handshake.ServerHandshake;

/**
 * Java-WebSocket in the deflate check. It compresses only with a draft that has the extension.
 * Argument: raw URL.
 */
public final class Deflate extends WebSocketClient {
    private static final int MARK = 500; // the same as in corpus.py

    /** SHA-256 over the previous digest, the length (4 bytes, big-endian) and the bytes. */
    private static final class Chain {
        private final List<String> marks = new ArrayList<>();
        private final MessageDigest sha256;
        private byte[] digest = new byte[32];
        private int count;

        Chain() throws java.security.NoSuchAlgorithmException {
            sha256 = MessageDigest.getInstance("SHA-256");
        }

        void add(byte[] data) {
            sha256.update(digest);
            sha256.update(ByteBuffer.allocate(4).putInt(data.length).array());
            digest = sha256.digest(data);
            if (++count % MARK == 0) marks.add('"' + HexFormat.of().formatHex(digest) + '"');
        }

        String report() {
            String hex = HexFormat.of().formatHex(digest);
            return "{\"count\":%d,\"digest\":\"%s\",\"marks\":%s}".formatted(count, hex, marks);
        }
    }

    private final Chain binary = new Chain();
    private final Chain text = new Chain();
    private int open = 2;

    private Deflate(String url) throws Exception {
        super(new URI(url), new Draft_6455(new PerMessageDeflateExtension()));
    }

    private static void report(String key, String value) {
        System.out.println("{\"%s\":%s}".formatted(key, value));
    }

    private static String quoted(String words) {
        return '"' + words.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** Adds a message to its digest. Reports after an empty message of each kind. */
    private void add(Chain chain, byte[] data) {
        if (data.length > 0) {
            chain.add(data);
        } else if (--open == 0) {
            report("done", "{\"binary\":%s,\"text\":%s}".formatted(binary.report(), text.report()));
        }
    }

    @Override
    public void onOpen(ServerHandshake answer) {
        report("open", quoted(answer.getFieldValue("Sec-WebSocket-Extensions")));
    }

    @Override
    public void onMessage(ByteBuffer message) {
        byte[] data = new byte[message.remaining()];
        message.get(data);
        add(binary, data);
    }

    @Override
    public void onMessage(String message) {
        add(text, message.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void onClose(int code, String reason, boolean remote) {
        report("fault", quoted("closed with " + code + " " + reason));
    }

    @Override
    public void onError(Exception fault) {
        report("fault", quoted(fault.toString()));
    }

    public static void main(String[] arguments) throws Exception {
        new Deflate(arguments[0]).run();
    }
}
