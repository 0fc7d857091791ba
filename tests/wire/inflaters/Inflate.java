// Inflates messages as Java's clients do. Standard input: records of one byte (window bits), the
// payload and the message, each after its length in 4 bytes. Run by tests/wire/inflaters.rs.

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

public class Inflate {
    private static final byte[] FLUSH = {0x00, 0x00, (byte) 0xff, (byte) 0xff};

    public static void main(String[] arguments) throws Exception {
        ByteBuffer data = ByteBuffer.wrap(System.in.readAllBytes());
        Inflater keeper = new Inflater(true);
        int count = 0;
        while (data.hasRemaining()) {
            data.get();
            byte[] payload = part(data);
            byte[] message = part(data);
            Inflater fresh = new Inflater(true);
            check(fresh, payload, message, "message " + count);
            fresh.end();
            check(keeper, payload, message, "message " + count + " with takeover");
            count++;
        }
        System.out.println(count + " inflated, " + count + " with takeover");
    }

    private static byte[] part(ByteBuffer data) {
        byte[] part = new byte[data.getInt()];
        data.get(part);
        return part;
    }

    private static void check(Inflater inflater, byte[] payload, byte[] message, String what)
            throws DataFormatException {
        ByteArrayOutputStream inflated = new ByteArrayOutputStream(message.length);
        byte[] buffer = new byte[8192];
        for (byte[] input : new byte[][] {payload, FLUSH}) {
            inflater.setInput(input);
            int length;
            while ((length = inflater.inflate(buffer)) > 0) {
                inflated.write(buffer, 0, length);
            }
        }
        boolean isEaten = inflater.getRemaining() == 0;
        if (inflater.finished() || !isEaten || !Arrays.equals(inflated.toByteArray(), message)) {
            System.err.println(what + ": " + inflated.size() + " bytes of " + message.length);
            System.exit(1);
        }
    }
}
