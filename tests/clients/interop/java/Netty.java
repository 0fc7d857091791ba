import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolConfig;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolHandler;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolHandler.ClientHandshakeStateEvent;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import io.netty.handler.codec.http.websocketx.extensions.WebSocketClientExtensionHandler;
import io.netty.handler.codec.http.websocketx.extensions.compression.DeflateFrameClientExtensionHandshaker;
import io.netty.handler.codec.http.websocketx.extensions.compression.PerMessageDeflateClientExtensionHandshaker;
import io.netty.handler.codec.http.websocketx.extensions.compression.WebSocketClientCompressionHandler;
import java.net.URI;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Netty on /raw and in the client protocol. Arguments: base URL, control URL. */
public final class Netty extends Connection {
    private static final int LONGEST = 4 << 20;
    private static final EventLoopGroup GROUP = new NioEventLoopGroup(1);

    private final CompletableFuture<Void> opened = new CompletableFuture<>();
    private Channel channel;

    /** Connects with this handler of extensions, or with none. */
    private static Connection open(String url, Supplier<ChannelHandler> extensions) throws Exception {
        Netty connection = new Netty();
        URI target = new URI(url);
        WebSocketClientProtocolConfig config = WebSocketClientProtocolConfig.newBuilder()
                .webSocketUri(target).allowExtensions(extensions != null).handleCloseFrames(false)
                .maxFramePayloadLength(LONGEST).build();
        ChannelInitializer<SocketChannel> pipeline = new ChannelInitializer<>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                channel.pipeline().addLast(new HttpClientCodec(), new HttpObjectAggregator(8192));
                if (extensions != null) channel.pipeline().addLast(extensions.get());
                channel.pipeline().addLast(new WebSocketClientProtocolHandler(config), connection.new Inbox());
            }
        };
        connection.channel = new Bootstrap().group(GROUP).channel(NioSocketChannel.class).handler(pipeline)
                .connect(target.getHost(), target.getPort()).sync().channel();
        connection.opened.get(15, TimeUnit.SECONDS);
        return connection;
    }

    private static Connection open(String url, boolean compressed) throws Exception {
        return open(url, compressed ? () -> new WebSocketClientCompressionHandler(LONGEST) : null);
    }

    /** Opens with the offer of Netty that accepts `client_no_context_takeover` in the answer. */
    private static Connection openDeflate(String url, boolean compressed) throws Exception {
        Connection connection = open(url, () -> new WebSocketClientExtensionHandler(
                new PerMessageDeflateClientExtensionHandshaker(6, false, 15, true, true, LONGEST)));
        List<String> handlers = ((Netty) connection).channel.pipeline().names();
        boolean inflates = handlers.stream().anyMatch(name -> name.endsWith("PerMessageDeflateDecoder"));
        Conductor.same(inflates, true, "an inflater in " + handlers);
        return connection;
    }

    /**
     * Opens with the offer that WebSocketClientCompressionHandler makes if jzlib is on the class path:
     * it includes client_max_window_bits.
     */
    private static Connection openWithWindow(String url, boolean compressed) throws Exception {
        return open(url, () -> new WebSocketClientExtensionHandler(
                new PerMessageDeflateClientExtensionHandshaker(6, true, 15, false, false, LONGEST),
                new DeflateFrameClientExtensionHandshaker(false, LONGEST),
                new DeflateFrameClientExtensionHandshaker(true, LONGEST)));
    }

    private final class Inbox extends SimpleChannelInboundHandler<WebSocketFrame> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
            if (frame instanceof TextWebSocketFrame text) {
                messages.add(text.text());
            } else if (frame instanceof CloseWebSocketFrame close) {
                closed.complete(close.statusCode());
                context.writeAndFlush(close.retain()).addListener(ChannelFutureListener.CLOSE);
            } else {
                messages.add(ByteBufUtil.getBytes(frame.content()));
            }
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event == ClientHandshakeStateEvent.HANDSHAKE_COMPLETE) opened.complete(null);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable fault) {
            opened.completeExceptionally(fault);
            fault(fault);
            context.close();
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            opened.completeExceptionally(new ClosedChannelException());
            fault(new ClosedChannelException());
        }
    }

    @Override
    void send(String text) {
        channel.writeAndFlush(new TextWebSocketFrame(text));
    }

    @Override
    public void close() {
        channel.close();
    }

    public static void main(String[] arguments) {
        Conductor conductor = new Conductor(arguments[1]);
        new Scenario("netty", arguments[0], conductor, Netty::open).run();
        Scenario deflate = new Scenario("netty", arguments[0], conductor, Netty::openDeflate);
        conductor.check("500 messages on /raw, compressed without context", () -> deflate.inOrder(true));
        Scenario window = new Scenario("netty", arguments[0], conductor, Netty::openWithWindow);
        conductor.check("500 messages on /raw, offer with a window", () -> window.inOrder(true));
        conductor.end();
    }
}
