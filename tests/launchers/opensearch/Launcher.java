import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.knn.plugin.KNNPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** Starts OpenSearch with k-NN. The arguments are the home, the folder of the data, the HTTP port and the transport port. */
public final class Launcher {
    /** A node whose plugins are on the class path. Only subclasses may call this constructor. */
    private static final class NodeWithPlugins extends Node {
        private NodeWithPlugins(Environment environment) {
            super(environment, List.of(Netty4Plugin.class, KNNPlugin.class), false);
        }
    }

    public static void main(String[] arguments) throws Exception {
        LogConfigurator.registerErrorListener();
        Path home = Path.of(arguments[0]);
        Path data = Path.of(arguments[1]);
        Settings settings = Settings.builder()
            .put("path.home", home)
            .put("path.data", data)
            .put("path.logs", data.resolve("logs"))
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[2])
            .put("transport.port", arguments[3])
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), data.resolve("config"), () -> "node");
        Node node = new NodeWithPlugins(environment);
        node.start();
        new CountDownLatch(1).await();
    }
}
