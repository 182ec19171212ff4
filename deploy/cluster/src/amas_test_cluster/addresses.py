"""Names and addresses of the cluster. All of them stay on this machine: see `network.py`."""

NODE_NAME = "amas-node"
# On a bridge without ports: it is up whatever the machine's own network does, and nothing listens on the latter.
NODE_IP = "10.95.0.1"
NODE_INTERFACE = "amas-node"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/24"
POD_BRIDGE = "amas-pods"
API_PORT = 6443
API_URL = f"https://{NODE_IP}:{API_PORT}"
# etcd speaks without TLS, so only on loopback, which no pod reaches.
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
PROMETHEUS_ADDRESS = "127.0.0.1:9090"
# Host ports that must be free before a start: (address, port).
LISTENERS = (
    (NODE_IP, API_PORT),
    (NODE_IP, 10250),  # kubelet
    ("127.0.0.1", ETCD_PORT),
    ("127.0.0.1", ETCD_PEER_PORT),
    ("127.0.0.1", 10248),  # kubelet, health
    ("127.0.0.1", 10249),  # kube-proxy, metrics
    ("127.0.0.1", 10256),  # kube-proxy, health
    ("127.0.0.1", 10257),  # controller manager
    ("127.0.0.1", 10259),  # scheduler
    ("127.0.0.1", 9090),  # Prometheus
    ("127.0.0.1", 18080),  # Rollouts controller, health
    ("127.0.0.1", 18090),  # Rollouts controller, metrics
    (NODE_IP, 6444),  # KEDA's metrics API
    ("127.0.0.1", 9666),  # KEDA operator to adapter
    ("127.0.0.1", 18081),  # KEDA operator, metrics
    ("127.0.0.1", 18082),  # KEDA operator, health
    ("127.0.0.1", 18083),  # KEDA adapter, metrics
)
