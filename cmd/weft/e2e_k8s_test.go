package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/cni-shim/lease"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/node/api"
)

// apiServer is what a node with 'subnet: k8s' asks: an HTTPS server on a virtual host that knows one Node and one token.
type apiServer struct {
	*httptest.Server
	podCIDRs atomic.Pointer[[]string]
}

const (
	apiNode  = "worker-1"
	apiToken = "a.bearer.token"
)

func startAPIServer(t *testing.T, on *lab.Host) *apiServer {
	t.Helper()
	var l net.Listener
	if err := on.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(on.Addr4(), 6443).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := new(apiServer)
	s.podCIDRs.Store(&[]string{})
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(s.answer)}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+apiToken:
		http.Error(w, `{"kind":"Status","message":"Unauthorized"}`, http.StatusUnauthorized)
	case r.Method != http.MethodGet || r.URL.Path != "/api/v1/nodes/"+apiNode:
		http.Error(w, `{"kind":"Status","message":"not found"}`, http.StatusNotFound)
	default:
		list, _ := json.Marshal(*s.podCIDRs.Load())
		fmt.Fprintf(w, `{"kind":"Node","apiVersion":"v1","metadata":{"name":%q},"spec":{"podCIDRs":%s}}`, apiNode, list)
	}
}

// kubeconfig writes one for the server, whose certificate is for example.com.
func (s *apiServer) kubeconfig(t *testing.T) string {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	text := fmt.Sprintf(`{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],
clusters: [{name: k, cluster: {server: %q, tls-server-name: example.com, certificate-authority-data: %s}}],
users: [{name: u, user: {token: %s}}]}
`, s.URL, base64.StdEncoding.EncodeToString(ca), apiToken)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// addNode adds a host to a cluster.
func addNode(t *testing.T, c *cluster.Cluster, flags ...string) *cluster.Node {
	t.Helper()
	n, err := c.Add(within(t, patience), flags...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestASubnetOfKubernetesIsWaitedForClaimedAndKeptWhileTheAPIServerIsAway(t *testing.T) {
	c := newCluster(t, 0)
	a := addNode(t, c, "--subnet", "10.244.1.0/24,fd10:244:0:1::/64")
	server := startAPIServer(t, a.Host)
	b := addNode(t, c, "--subnet", "k8s", "--kubeconfig", server.kubeconfig(t), "--k8s-node", apiNode)
	if err := c.UpAll(); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		s, err := b.Status(within(t, patience))
		if err != nil {
			return false, err.Error()
		}
		waits := "waits for spec.podCIDRs of node " + apiNode + " at " + server.URL + ": the node has none yet"
		return strings.Contains(s.Node.SubnetNote, waits) && strings.Contains(s.Node.Pods.Reason, waits), s.Node.SubnetNote
	})

	want := []string{"10.244.42.0/24", "fd10:244:0:42::/64"}
	server.podCIDRs.Store(&want)
	reload(t, b) // which asks at once
	awaitAll(t, c)
	there := netip.MustParseAddr("10.244.42.1")
	awaitPing(t, a, there)
	awaitPing(t, a, netip.MustParseAddr("fd10:244:0:42::1"))
	l, err := lease.Read(filepath.Dir(b.Socket()))
	if err != nil || !slices.Equal(listed(l.Subnets), want) {
		t.Errorf("lease %+v, %v", l, err)
	}

	server.Close()
	if err := b.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := b.Up(); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		s, err := b.Status(within(t, patience))
		if err != nil {
			return false, err.Error()
		}
		i := slices.IndexFunc(s.Node.Degraded, func(n api.Note) bool { return n.What == "kubernetes" })
		return i >= 0 && strings.Contains(s.Node.Degraded[i].Reason, "connection refused; it goes on with 10.244.42.0/24") && slices.Equal(listed(s.Node.Subnets), want),
			fmt.Sprint(s.Node.Subnets, s.Node.Degraded)
	})
	awaitAll(t, c)
	awaitPing(t, a, there)
}
