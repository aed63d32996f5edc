package playground

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/shoal-dev/shoal/playground/process"
)

const (
	serviceRange   = "10.96.0.0/16"
	serviceAddress = "10.96.0.1" // of the Service "kubernetes": the first one of the range
)

// monitorPeriod is how often kube-controller-manager looks at the heartbeats. With it a node counts as NotReady at the
// latest this long after its grace.
const monitorPeriod = 2 * time.Second

//go:embed audit-policy.yaml
var auditPolicy []byte

// ports of one cluster.
type ports struct {
	etcd, etcdPeer, apiServer, controllerManager, kubeScheduler, simulator, provisioner, dns int

	schedulers, managers, managerHealth []int // of Shoal's processes, in their order
}

// choosePorts also returns what listens on the ports now. Who closes that lets the components have them.
func choosePorts(o Options) (ports, []*net.TCPListener, error) {
	const fixed = 8
	held, err := holdPorts(fixed + o.Schedulers + 2*o.Managers)
	if err != nil {
		return ports{}, nil, err
	}
	free := portsOf(held)
	rest := free[fixed:]
	return ports{
		etcd: free[0], etcdPeer: free[1], apiServer: free[2], controllerManager: free[3],
		kubeScheduler: free[4], simulator: free[5], provisioner: free[6], dns: free[7],
		schedulers: rest[:o.Schedulers], managers: rest[o.Schedulers : o.Schedulers+o.Managers], managerHealth: rest[o.Schedulers+o.Managers:],
	}, held, nil
}

func (c *Cluster) etcdSpec() process.Spec {
	client, peer := "http://"+loopback(c.ports.etcd), "http://"+loopback(c.ports.etcdPeer)
	return process.Spec{Name: etcd, Path: c.options.binary(etcd), Port: c.ports.etcd, Args: []string{
		"--name=playground",
		"--data-dir=" + c.layout.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=playground=" + peer,
		// A write is not synced to the disk before it is acknowledged: the API server becomes several times faster, and
		// what a power failure could lose is a cluster that ends with its supervisor anyway.
		"--unsafe-no-fsync",
		"--quota-backend-bytes=" + strconv.Itoa(4<<30), // 10,000 pods with their events exceed the default of 2 GiB
		"--log-level=warn",
	}}
}

func (c *Cluster) apiServerSpec() process.Spec {
	args := []string{
		"--etcd-servers=http://" + loopback(c.ports.etcd),
		"--secure-port=" + strconv.Itoa(c.ports.apiServer),
		"--tls-cert-file=" + c.layout.pki(serverCert), "--tls-private-key-file=" + c.layout.pki(serverKey),
		"--client-ca-file=" + c.layout.pki(authorityCert),
		"--requestheader-client-ca-file=" + c.layout.pki(proxyCA), "--requestheader-allowed-names=" + frontProxyUser,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.layout.pki(proxyCert), "--proxy-client-key-file=" + c.layout.pki(proxyKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-signing-key-file=" + c.layout.pki(tokenKey),
		"--service-account-key-file=" + c.layout.pki(tokenPublic),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", // beside those that are on by default
		"--allow-privileged=true",
		"--audit-policy-file=" + c.layout.path("config", "audit-policy.yaml"),
		"--audit-log-path=" + c.layout.path("logs", "audit.log"),
		// Priority and fairness stays on, as in a real cluster; two cores with everything on them must not run into the
		// default of 400 and 200 requests while a thousand pods are created.
		"--max-requests-inflight=1600", "--max-mutating-requests-inflight=800",
	}
	if c.options.RealNodes > 0 {
		args = append(args, c.apiServerForRealNodes()...)
	} else {
		args = append(args, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
			// Nothing can reach the Service "kubernetes" here, and its reconciler delays the end of the API server.
			"--endpoint-reconciler-type=none")
	}
	return process.Spec{Name: apiServer, Path: c.options.binary(apiServer), Port: c.ports.apiServer, Args: args}
}

func (c *Cluster) controllerManagerSpec() process.Spec {
	kubeconfig := c.layout.component(controllerManager)
	return process.Spec{Name: controllerManager, Path: c.options.binary(controllerManager), Port: c.ports.controllerManager, Args: []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports.controllerManager), "--cert-dir=" + c.layout.path("certs"),
		"--service-account-private-key-file=" + c.layout.pki(tokenKey),
		"--root-ca-file=" + c.layout.pki(authorityCert),
		"--cluster-signing-cert-file=" + c.layout.pki(authorityCert), "--cluster-signing-key-file=" + c.layout.pki(authorityKey),
		"--use-service-account-credentials=true",
		"--leader-elect=false", // it is the only one
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--node-monitor-grace-period=" + c.options.NodeGrace.String(),
		"--node-monitor-period=" + monitorPeriod.String(),
	}}
}

// kubeSchedulerConfig has the limits on requests that the flags of kube-scheduler no longer offer.
const kubeSchedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  qps: 500
  burst: 1000
`

func (c *Cluster) kubeSchedulerSpec() process.Spec {
	kubeconfig := c.layout.component(kubeScheduler)
	return process.Spec{Name: kubeScheduler, Path: c.options.binary(kubeScheduler), Port: c.ports.kubeScheduler, Args: []string{
		"--config=" + c.layout.path("config", "kube-scheduler.yaml"),
		"--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.ports.kubeScheduler), "--cert-dir=" + c.layout.path("certs"),
	}}
}

// writeConfigs writes the files that the control plane and the simulator read.
func (c *Cluster) writeConfigs() error {
	simulation, err := simulatorConfig()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"audit-policy.yaml":   auditPolicy,
		"kube-scheduler.yaml": fmt.Appendf(nil, kubeSchedulerConfig, c.layout.component(kubeScheduler)),
		"kwok.yaml":           simulation,
	}
	for name, content := range files {
		if err := os.WriteFile(c.layout.path("config", name), content, 0o600); err != nil {
			return fmt.Errorf("writing the configuration: %w", err)
		}
	}
	return nil
}
