package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/nftables"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// configure gives a top-level key of the node's configuration file a value, as an editor would.
func configure(t *testing.T, n *cluster.Node, key, value string) {
	t.Helper()
	text, err := os.ReadFile(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`(?m)^` + key + `:.*\n`)
	next := old.ReplaceAllString(string(text), "") + key + ": " + value + "\n"
	if err := os.WriteFile(n.Config(), []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
}

// reload runs 'weft reload' and returns what it says.
func reload(t *testing.T, n *cluster.Node, flags ...string) string {
	t.Helper()
	out, err := n.Weft(within(t, patience), append([]string{"reload", "--socket", n.Socket()}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// pinging is a ping that runs until its losses are asked for.
type pinging struct{ *lab.Process }

func startPinging(t *testing.T, from *cluster.Node, to netip.Addr) pinging {
	t.Helper()
	awaitPing(t, from, to)
	p, err := from.Start("ping", "-n", "-q", "-i", "0.01", to.String())
	if err != nil {
		t.Fatal(err)
	}
	return pinging{p}
}

var pinged = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// losses stops it. The last packet may still be under way then, and is none.
func (p pinging) losses(t *testing.T) (lost, sent int) {
	t.Helper()
	if err := p.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	out, err := p.Stdout()
	m := pinged.FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("ping says %v %q", err, out)
	}
	var received int
	fmt.Sscan(m[1]+" "+m[2], &sent, &received)
	return max(sent-received-1, 0), sent
}

// step is one change of a running node's configuration, and how its effect shows.
type step struct {
	key, value, says string
	effect           func() (bool, string)
}

func TestWhatAReloadChangesTakesEffectWithoutALostPacket(t *testing.T) {
	c := newCluster(t, 2)
	a, b := c.Nodes[0], c.Nodes[1]
	if _, err := b.Run(within(t, patience), "sysctl", "-qw", "net.ipv4.ip_forward=0"); err != nil {
		t.Fatal(err)
	}
	startAll(t, c)
	state := status(t, b).Node
	there, back := startPinging(t, a, state.Addresses[0]), startPinging(t, b, status(t, a).Node.Addresses[0])
	pid := b.Daemon().PID()
	await(t, func() (bool, string) {
		names := tables(t, b)
		return slices.Contains(names, "weft"), fmt.Sprint(names)
	})
	for _, s := range changes(t, a, b) {
		configure(t, b, s.key, s.value)
		if said := reload(t, b); !strings.HasPrefix(said, "changed: ") || !strings.Contains(said, s.says) || strings.Contains(said, "restart") {
			t.Errorf("%s: %s: weft reload says %q", s.key, s.value, said)
		}
		if s.effect != nil {
			await(t, s.effect)
		}
	}
	if said := reload(t, b); said != "nothing has changed" {
		t.Errorf("once more: %q", said)
	}
	for _, p := range []pinging{there, back} {
		if lost, sent := p.losses(t); lost > 0 {
			t.Errorf("%d of %d packets were lost", lost, sent)
		}
	}
	if b.Daemon().PID() != pid || !b.Running() {
		t.Error("the daemon is another one")
	}
}

// changes are those of every key that a reload can change, on b.
func changes(t *testing.T, a, b *cluster.Node) []step {
	underlay := status(t, b).Node.Advertised[0].Endpoint.Addr()
	subnets := strings.Join(listed(status(t, b).Node.Subnets), ", ")
	node := func(ok func(n *api.Node) bool) func() (bool, string) {
		return func() (bool, string) {
			n := status(t, b).Node
			return ok(&n), fmt.Sprintf("%+v", n)
		}
	}
	return []step{
		{"mtu", "1300", "mtu (auto -> 1300)", func() (bool, string) {
			out, err := b.Run(within(t, patience), "ip", "link", "show", "weft0")
			return err == nil && strings.Contains(out, "mtu 1300"), out
		}},
		{"advertise", fmt.Sprintf("[%v]", underlay), "advertise (none -> " + underlay.String() + ")", node(func(n *api.Node) bool {
			return len(n.Advertised) == 1 && strings.Contains(n.Advertised[0].Why, "configured")
		})},
		{"join", "[192.0.2.99]", "-> 192.0.2.99)", node(func(n *api.Node) bool {
			return len(n.Seeds) == 1 && n.Seeds[0].Address == "192.0.2.99"
		})},
		{"subnet", "[" + subnets + "]", "subnet (auto -> ", node(func(n *api.Node) bool {
			return n.SubnetMode == "static" && strings.Join(listed(n.Subnets), ", ") == subnets
		})},
		{"subnet_size", "[25, 72]", "subnet_size (24,64 -> 25,72)", nil}, // for an automatic subnet, which it has no more
		{"bootstrap", "true", "bootstrap (false -> true)", nil},          // likewise
		{"routes", "[192.168.77.0/24]", "routes (none -> 192.168.77.0/24)", func() (bool, string) {
			out, err := a.Weft(within(t, patience), "routes", "--json", "--socket", a.Socket())
			return err == nil && strings.Contains(out, "192.168.77.0/24"), out
		}},
		{"metrics", "127.0.0.1:9777", "metrics (127.0.0.1:9339 -> 127.0.0.1:9777)", func() (bool, string) {
			_, err := fetch(t, b, "http://127.0.0.1:9777/healthz")
			return err == nil, fmt.Sprint(err)
		}},
		{"forwarding", "off", "forwarding (auto -> off)", func() (bool, string) {
			out, err := b.Run(within(t, patience), "cat", "/proc/sys/net/ipv4/ip_forward")
			return err == nil && strings.TrimSpace(out) == "0", out
		}},
		{"firewall", "off", "firewall (auto -> off)", func() (bool, string) {
			names := tables(t, b)
			return !slices.Contains(names, "weft"), fmt.Sprint(names)
		}},
		{"log", "{level: error}", "log.level (info -> error)", func() (bool, string) { // that reload is not logged any more
			text := daemonLog(t, b)
			return strings.Contains(text, "firewall (auto") && !strings.Contains(text, "info -> error"), text
		}},
		{"log", "{level: info, format: json}", "log.level (error -> info), log.format (text -> json)", func() (bool, string) {
			text := daemonLog(t, b)
			return strings.Contains(text, `"msg":"node.reloaded","changed":"log.level (error -> info)`), text
		}},
	}
}

// tables are those of the host's packet filter.
func tables(t *testing.T, n *cluster.Node) []string {
	t.Helper()
	var names []string
	err := n.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		list, err := conn.ListTables()
		for _, table := range list {
			names = append(names, table.Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// listed are the items as they are written.
func listed[T any](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func TestAFileThatIsWrongStopsNothingAndSaysWhereItIsWrong(t *testing.T) {
	c := newCluster(t, 2)
	startAll(t, c)
	a, b := c.Nodes[0], c.Nodes[1]
	good, err := os.ReadFile(b.Config())
	if err != nil {
		t.Fatal(err)
	}
	traffic := startPinging(t, a, status(t, b).Node.Addresses[0])
	lines := strings.Count(string(good), "\n")
	for _, bad := range []struct {
		line string
		want []string
	}{
		{"mtu: [", []string{"not YAML"}},
		{"mtu: 12", []string{"mtu", "12", "1280"}},
		{"netwrk: 10.0.0.0/8", []string{"netwrk", "--help"}},
		{"routes: [0.0.0.0/0]", []string{"routes", "default route"}},
		{"secret_file: /nonexistent", []string{"secret_file", "/nonexistent"}},
	} {
		text := string(good)
		if key, _, _ := strings.Cut(bad.line, ":"); strings.Contains(text, "\n"+key+":") {
			text = strings.ReplaceAll(text, "\n"+key+":", "\n#"+key+":")
		}
		if err := os.WriteFile(b.Config(), []byte(text+bad.line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want := append(bad.want, b.Config(), fmt.Sprintf("line %d", lines+1), "unchanged")
		refused(t, b, 2, want, labtest.Weft(t), "reload", "--socket", b.Socket())
		awaitDegraded(t, b, "config", append(bad.want, "unchanged")...)
	}
	before := count(strings.Split(daemonLog(t, b), "\n"), "node.reload.rejected")
	if err := b.Daemon().Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		text := daemonLog(t, b)
		return count(strings.Split(text, "\n"), "node.reload.rejected") == before+1, text
	})
	if err := os.WriteFile(b.Config(), good, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := reload(t, b); said != "nothing has changed" {
		t.Errorf("put right: %q", said)
	}
	awaitNotDegraded(t, b, "config")
	if lost, sent := traffic.losses(t); lost > 0 {
		t.Errorf("%d of %d packets were lost", lost, sent)
	}
}

func TestAKeyThatNeedsARestartIsSaidUntilTheRestart(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	configure(t, n, "name", "renamed")
	configure(t, n, "mtu", "1300")
	var done api.Reload
	if err := json.Unmarshal([]byte(reload(t, n, "--json")), &done); err != nil {
		t.Fatal(err)
	}
	changed, waits := api.Change{Key: "mtu", Old: "auto", New: "1300"}, api.Change{Key: "name", Old: "vm-1", New: "renamed"}
	if !slices.Equal(done.Changed, []api.Change{changed}) || !slices.Equal(done.Waiting, []api.Change{waits}) {
		t.Errorf("weft reload: %+v", done)
	}
	if said := reload(t, n); said != "needs a restart: name (vm-1 -> renamed)" {
		t.Errorf("once more: %q", said)
	}
	awaitDegraded(t, n, "config", "restart", "name (vm-1 -> renamed)")
	if err := n.Stop(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	awaitNotDegraded(t, n, "config")
	if name := status(t, n).Node.Name; name != "renamed" {
		t.Errorf("after the restart it is %s", name)
	}
}

func TestFlagsStayAboveTheFileInAReload(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := n.Up("--mtu", "1350"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	configure(t, n, "mtu", "1300")
	if said := reload(t, n); said != "nothing has changed" {
		t.Errorf("weft reload says %q", said)
	}
	if mtu := status(t, n).Node.Device.MTU; mtu != 1350 {
		t.Errorf("MTU %d", mtu)
	}
}

func TestASubnetInWhichPodsLiveIsNotGivenUpByAReload(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	pod, err := n.AddPod(within(t, patience), "pod")
	if err != nil {
		t.Fatal(err)
	}
	before := status(t, n).Node.Subnets
	configure(t, n, "mtu", "1300")
	if said := reload(t, n); !strings.HasPrefix(said, "changed: mtu") {
		t.Errorf("with pods, weft reload says %q", said)
	}
	configure(t, n, "subnet", "[10.244.1.0/24]")
	refused(t, n, 2, []string{n.Config(), "line", "subnet", before[0].String(), "move it first"}, labtest.Weft(t), "reload", "--socket", n.Socket())
	if now := status(t, n).Node.Subnets; !slices.Equal(now, before) {
		t.Errorf("%v became %v", before, now)
	}
	awaitPing(t, n, pod.Addr4())
}

func TestHangupsWhileADaemonStartsAreReloads(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(n.Dir(), "run", "weft.lock")
	await(t, func() (bool, string) {
		text, err := os.ReadFile(lock)
		return err == nil && len(text) > 0, "no lock"
	})
	configure(t, n, "mtu", "1300")
	for hangups := 0; ; hangups++ {
		if err := n.Daemon().Signal(syscall.SIGHUP); err != nil {
			t.Fatalf("after %d hangups: %v; it said %s", hangups, err, daemonLog(t, n))
		}
		if _, err := n.Status(within(t, patience)); err == nil {
			break
		}
	}
	await(t, func() (bool, string) { return status(t, n).Node.Device.MTU == 1300, "not reloaded" })
}

func TestTenReloadsAtOnceAllAnswerAndTheLatestFileIsInForce(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	configure(t, n, "mtu", "1300")
	for range 10 {
		all.Go(func() {
			if _, err := n.Weft(within(t, patience), "reload", "--socket", n.Socket()); err != nil {
				t.Error(err)
			}
			if err := n.Daemon().Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if mtu := status(t, n).Node.Device.MTU; mtu != 1300 {
		t.Errorf("MTU %d", mtu)
	}
	awaitNotDegraded(t, n, "config")
}

func TestUpCheckSaysWhatWouldRunAndChangesNothing(t *testing.T) {
	c := newCluster(t, 1)
	n, weft := c.Nodes[0], labtest.Weft(t)
	look := func() string {
		out, err := n.Run(within(t, patience), "sh", "-c", "ip -o link | cut -d: -f2; ip route; ls -R "+n.Dir()+" | grep -v '^[0-9]*-'")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	check := []string{weft, "up", "--check", "--config", n.Config()}
	before := look()
	out, err := n.Run(within(t, patience), check...)
	for _, want := range []string{"ok: node vm-1", "10.244.0.0/16", "subnet auto", "weft0", "listen :9338", "encryption on"} {
		if err != nil || !strings.HasPrefix(out, "ok: ") || !strings.Contains(out, want) {
			t.Errorf("weft up --check: %v %q, want %s in it", err, out, want)
		}
	}
	warned, err := n.Run(within(t, patience), "sh", "-c", strings.Join(check, " ")+" --state-dir state/of/weft 2>&1")
	for _, want := range []string{"weft: warning: --state-dir: state/of/weft is relative", "\nok: node vm-1"} {
		if err != nil || strings.Count(warned, "\n") != 2 || !strings.Contains(warned, want) {
			t.Errorf("weft up --check: %v %q, want %s in it", err, warned, want)
		}
	}
	refused(t, n, 2, []string{"--secret-file", "/nonexistent"}, append(check, "--secret-file", "/nonexistent")...)
	refused(t, n, 2, []string{"--routes", "default route"}, append(check, "--routes", "0.0.0.0/0")...)
	refused(t, n, 1, []string{"eth0", "not an interface of weft"}, append(check, "--device", "eth0")...)
	refused(t, n, 1, []string{"/dev/net/tun"}, "unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev/net && exec "+strings.Join(check, " "))
	if after := look(); after != before {
		t.Errorf("it changed\n%s to\n%s", before, after)
	}
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	if out, err := n.Run(within(t, patience), check...); err != nil || !strings.Contains(out, fmt.Sprintf("process %d", n.Daemon().PID())) {
		t.Errorf("beside the daemon: %v %q", err, out)
	}
}

func TestAStateDirectoryOfANewerVersionIsRefusedAndNothingIsOverwritten(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	if err := os.MkdirAll(n.StateDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(n.StateDir(), "version.json")
	const newer = `{"version": 7, "weft": "v9.8.7"}`
	if err := os.WriteFile(file, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--check=true", "--check=false"} {
		refused(t, n, 2, []string{n.Config(), "line", "state_dir", file, "version 7", "v9.8.7", "knows version 1"}, labtest.Weft(t), "up", "--config", n.Config(), flag)
	}
	entries, err := os.ReadDir(n.StateDir())
	text, readErr := os.ReadFile(file)
	if err != nil || readErr != nil || len(entries) != 1 || string(text) != newer {
		t.Errorf("the directory holds %v, the file %q: %v, %v", entries, text, err, readErr)
	}
}

// onTerminal makes Up start the daemon in the foreground of a terminal of its own, which is gone when Daemon is killed.
func onTerminal(n *cluster.Node, before string) {
	n.Through("sh", "-c", `exec script -qec "exec `+before+` $*" /dev/null </dev/null`, "sh")
}

// terminalDaemon starts it so, and returns its process id.
func terminalDaemon(t *testing.T, n *cluster.Node, before string) int {
	t.Helper()
	onTerminal(n, before)
	if err := n.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	return status(t, n).Node.PID
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestADaemonEndsWithItsTerminalAndReloadsWhileItIsThere(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	pid := terminalDaemon(t, n, "")
	configure(t, n, "mtu", "1300")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) { return status(t, n).Node.Device.MTU == 1300, "not reloaded" })
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) { return !alive(pid), "it still runs" })
}

func TestADaemonThatWasStartedWithNohupOutlivesItsTerminalAndStillReloads(t *testing.T) {
	n := newCluster(t, 1).Nodes[0]
	pid := terminalDaemon(t, n, "nohup")
	if err := n.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	configure(t, n, "mtu", "1300")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) { return status(t, n).Node.Device.MTU == 1300, "not reloaded" })
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) { return !alive(pid), "it still runs" })
}
