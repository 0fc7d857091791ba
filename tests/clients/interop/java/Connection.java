import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One WebSocket connection of the library under test. The threads of the library fill the queue, and
 * the main thread reads it.
 */
abstract class Connection implements AutoCloseable {
    private static final int WAIT_S = 15;

    interface Opener {
        /** Returns a connection after its handshake. Makes the offer of the library if `compressed`. */
        Connection open(String url, boolean compressed) throws Exception;
    }

    /** Messages (String or byte[]) and Throwable. */
    final BlockingQueue<Object> messages = new LinkedBlockingQueue<>();
    final CompletableFuture<Integer> closed = new CompletableFuture<>();

    abstract void send(String text);

    @Override
    public abstract void close();

    /** Ends all waiting with a fault of the library. */
    void fault(Throwable fault) {
        messages.add(fault);
        closed.completeExceptionally(fault);
    }

    Object receive() throws Exception {
        Object message = messages.poll(WAIT_S, TimeUnit.SECONDS);
        if (message instanceof Throwable fault) throw new AssertionError(fault);
        if (message == null) throw new AssertionError("waited " + WAIT_S + " s for a message");
        return message;
    }

    int closeCode() throws Exception {
        return closed.get(WAIT_S, TimeUnit.SECONDS);
    }
}
