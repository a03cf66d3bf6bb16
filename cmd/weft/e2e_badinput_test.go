package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
)

// A machine or configuration on which weft cannot run is refused in one line, with the exit code of its kind, and the
// machine's network is as it was before.
func TestWhatTheMachineForbidsIsSaidInOneLine(t *testing.T) {
	for name, test := range map[string]struct {
		spoil []string // a command on the host
		flags []string
		code  int
		want  []string
	}{
		"device of somebody else": {
			[]string{"ip", "link", "add", "weft0", "type", "bridge"}, nil, 1, []string{"weft0", "not an interface of weft"}},
		"interface address inside network": {
			[]string{"ip", "address", "add", "10.244.7.1/24", "dev", "lo"}, nil, 2, []string{"10.244.7.1", "lo", "10.244.0.0/16"}},
		"foreign route inside network": {
			[]string{"ip", "route", "add", "blackhole", "10.244.9.0/24"}, nil, 2, []string{"10.244.9.0/24", "10.244.0.0/16"}},
		"foreign route as wide as network": {
			[]string{"ip", "route", "add", "blackhole", "10.244.0.0/16"}, nil, 2, []string{"10.244.0.0/16"}},
		"secret missing": {
			nil, []string{"--secret-file", "/nonexistent/secret"}, 2, []string{"--secret-file: /nonexistent/secret", "weft init"}},
		"state directory that cannot be written": {
			nil, []string{"--state-dir", "/proc/weft"}, 1, []string{"state_dir", "/proc/weft"}},
		"network of another family than its subnet": {
			nil, []string{"--network", "fd99::/48", "--subnet", "10.244.1.0/24"}, 2, []string{"10.244.1.0/24", "fd99::/48"}},
		"unknown flag": {
			nil, []string{"--encrypt", "on"}, 2, []string{"--encrypt", "--help"}},
		"bad value of a flag": {
			nil, []string{"--mtu", "many"}, 2, []string{"--mtu", "many"}},
		"argument": {
			nil, []string{"now"}, 2, []string{"now"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCluster(t, 1).Nodes[0]
			if test.spoil != nil {
				if _, err := n.Start(test.spoil...); err != nil {
					t.Fatal(err)
				}
				awaitSpoiled(t, n, test.spoil)
			}
			before := kernelRoutes(t, n)
			refused(t, n, test.code, test.want, append([]string{labtest.Weft(t), "up", "--config", n.Config()}, test.flags...)...)
			if test.code == 2 && kernelRoutes(t, n) != before {
				t.Errorf("routes changed from\n%s to\n%s", before, kernelRoutes(t, n))
			}
		})
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	for network, occupy := range map[string]func() (io.Closer, error){
		"UDP": func() (io.Closer, error) { return net.ListenPacket("udp", ":9338") },
		"TCP": func() (io.Closer, error) { return net.Listen("tcp", ":9338") },
	} {
		t.Run(network, func(t *testing.T) {
			n := newCluster(t, 1).Nodes[0]
			err := n.Do(func() error {
				socket, err := occupy()
				if err == nil {
					t.Cleanup(func() { socket.Close() })
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			refused(t, n, 1, []string{network, "9338", "in use"}, labtest.Weft(t), "up", "--config", n.Config())
		})
	}
}

// awaitSpoiled waits until what the command does can be seen.
func awaitSpoiled(t *testing.T, n *cluster.Node, spoil []string) {
	t.Helper()
	look := []string{"sh", "-c", "ip link; ip address; ip route"}
	for _, word := range spoil {
		if !strings.ContainsAny(word, "0123456789") {
			continue
		}
		await(t, func() (bool, string) {
			text, err := n.Run(within(t, patience), look...)
			return err == nil && strings.Contains(text, word), "no " + word + " in " + text
		})
	}
}

// refused runs a command that must fail with code, and with one line that holds all of want.
func refused(t *testing.T, n *cluster.Node, code int, want []string, args ...string) {
	t.Helper()
	_, err := n.Run(within(t, patience), args...)
	exit := new(lab.ExitError)
	if !errors.As(err, &exit) {
		t.Fatalf("%v: %v, want it to fail", args, err)
	}
	if exit.Code != code {
		t.Errorf("exit code %d, want %d: %s", exit.Code, code, exit.Stderr)
	}
	var said []string
	for line := range strings.Lines(exit.Stderr) {
		if !strings.HasPrefix(line, "time=") { // log lines are not the answer
			said = append(said, strings.TrimSpace(line))
		}
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "weft: ") {
		t.Fatalf("it said %q, want one line", said)
	}
	for _, w := range want {
		if !strings.Contains(said[0], w) {
			t.Errorf("%q does not name %q", said[0], w)
		}
	}
}

func TestAWiderForeignRouteIsNoConflict(t *testing.T) {
	c := newCluster(t, 2)
	if _, err := c.Nodes[0].Run(within(t, patience), "ip", "route", "add", "blackhole", "10.0.0.0/8"); err != nil {
		t.Fatal(err)
	}
	startAll(t, c)
	awaitPing(t, c.Nodes[0], status(t, c.Nodes[1]).Node.Addresses[0])
}

func TestWithoutPrivilegesOrTUNTheRemedyIsNamed(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	up := fmt.Sprintf("exec %s up --config %s", labtest.Weft(t), n.Config())
	if _, err := exec.LookPath("setpriv"); err == nil {
		refused(t, n, 1, []string{"root", "CAP_NET_ADMIN"}, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "sh", "-c", up)
	}
	refused(t, n, 1, []string{"/dev/net/tun"}, "unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && "+up)
}

func TestASecondDaemonIsRefusedAndTheFirstGoesOn(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	refused(t, n, 1, []string{"running already", fmt.Sprint(n.Daemon().PID())}, labtest.Weft(t), "up", "--config", n.Config())
	awaitPing(t, n, status(t, c.Nodes[1]).Node.Addresses[0])
}

func TestDownOfAnotherDeviceIsRefusedAndChangesNothing(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	n := c.Nodes[0]
	before := kernelRoutes(t, n)
	refused(t, n, 2, []string{"weft0", "weft7"}, labtest.Weft(t), "down", "--config", n.Config(), "--device", "weft7")
	refused(t, n, 1, []string{"eth0", "not an interface of weft"}, labtest.Weft(t), "down", "--config", n.Config(), "--device", "eth0")
	if !n.Running() || kernelRoutes(t, n) != before {
		t.Errorf("the daemon runs: %v; routes\n%s were\n%s", n.Running(), kernelRoutes(t, n), before)
	}
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	refused(t, n, 2, []string{"weft down --device weft0"}, labtest.Weft(t), "down", "--config", n.Config(), "--device", "weft7")
	if routes := kernelRoutes(t, n); !strings.Contains(routes, "unreachable 10.244.0.0/16") {
		t.Errorf("the guard of the network is gone:\n%s", routes)
	}
}

func TestBadTokensAndSecondSetUpsAreRefusedAndOverwriteNothing(t *testing.T) {
	c := newCluster(t, 1)
	n, weft := c.Nodes[0], labtest.Weft(t)
	fresh := func(name string) []string {
		dir := filepath.Join(n.Dir(), name)
		return []string{"--config", dir + "/weft.yaml", "--secret-file", dir + "/secret"}
	}
	join := func(token string, name string) []string {
		return append([]string{weft, "join", token}, fresh(name)...)
	}
	token := c.Token()
	damaged := token[:len(token)-8] + "AAAAAAAA"
	refused(t, n, 2, []string{"token", "damaged"}, join(damaged, "a")...)
	refused(t, n, 2, []string{"token", "version", "9"}, join("weft9."+strings.SplitN(token, ".", 2)[1], "b")...)
	refused(t, n, 2, []string{"token"}, join("hello", "c")...)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := os.Stat(filepath.Join(n.Dir(), name)); err == nil {
			t.Errorf("a refused token left %s behind", name)
		}
	}
	before, err := os.ReadFile(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	refused(t, n, 2, []string{n.Config(), "exists already"}, weft, "join", token, "--config", n.Config())
	refused(t, n, 2, []string{n.Config(), "exists already"}, weft, "init", "--config", n.Config())
	after, err := os.ReadFile(n.Config())
	if err != nil || string(after) != string(before) {
		t.Errorf("the configuration changed: %v\n%s", err, after)
	}
	refused(t, n, 1, []string{"not running", "weft up"}, weft, "status", "--socket", n.Socket())
}
