// A cluster without nodes, for test-cluster: etcd and the API server of Kubernetes in one process, and what the API server asks of a kubelet
// (see kubelet.go). Nothing schedules, nothing runs: the test writes the statuses that a controller or a kubelet would write.
// All is on the loopback interface and in the folder given, which is the caller's to remove.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	dir := flag.String("dir", "", "folder for the data, the certificate and the key; empty and the caller's")
	port := flag.Int("port", 0, "where the API server listens")
	tokens := flag.String("tokens", "", "file of tokens (token,user,uid,\"groups\")")
	agent := flag.String("agent", "", "host:port where forwarded ports of all pods lead")
	agentLog := flag.String("agent-log", "", "file that is the log of all containers")
	flag.Parse()

	etcd, err := startEtcd(filepath.Join(*dir, "etcd"))
	if err != nil {
		log.Fatalf("etcd: %v", err)
	}
	kubelet, err := startKubelet(*agent, *agentLog)
	if err != nil {
		log.Fatalf("kubelet: %v", err)
	}
	key := filepath.Join(*dir, "service-accounts.key")
	if err := writeKey(key); err != nil {
		log.Fatalf("key of service accounts: %v", err)
	}
	// For the test: nodes are to name it.
	fmt.Printf("kubelet %d\n", kubelet)

	command := app.NewAPIServerCommand()
	command.SetArgs([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", *port),
		"--cert-dir=" + *dir,
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + key,
		"--service-account-signing-key-file=" + key,
		"--token-auth-file=" + *tokens,
		"--authorization-mode=RBAC",
		// No controller makes the service account that pods would be given.
		"--disable-admission-plugins=ServiceAccount",
		"--kubelet-preferred-address-types=InternalIP",
	})
	os.Exit(cli.Run(command))
}

// startEtcd returns the URL of its clients.
func startEtcd(dir string) (string, error) {
	anyPort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	config.ListenClientUrls, config.AdvertiseClientUrls = anyPort, anyPort
	config.ListenPeerUrls, config.AdvertisePeerUrls = anyPort, anyPort
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return "http://" + etcd.Clients[0].Addr().String(), nil
	case <-time.After(30 * time.Second):
		return "", fmt.Errorf("not ready within 30 s")
	}
}

func writeKey(file string) error {
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return err
	}
	return os.WriteFile(file, key, 0o600)
}
