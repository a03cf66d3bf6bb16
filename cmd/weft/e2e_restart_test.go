package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// longestGap is what a restart may cost a stream of 1000 datagrams a second.
const longestGap = 200 * time.Millisecond

// attempts is how often a restart is tried until its gap is short enough and nothing more is lost than may be: a machine that is
// busy with other things makes both worse, nothing makes them better. One short restart is the proof.
const attempts = 6

// outage is a gap in which peers find out that a node is gone. Where the processors are fought for all the time a restart must be
// shorter than that at least: how much longer than usual it takes is then up to the others.
const outage = time.Second

// settled is how many datagrams must arrive before and after a restart: those of 100 ms.
const settled = uint64(100 * time.Millisecond / labtest.Pace)

// oneDrain is how many packets a lane takes from the device at once: those may be lost with a process that is killed.
const oneDrain = 64

// onTheWay is how many frames may be under way, at 1000 a second, when a peer hears that the host pauses.
const onTheWay = 2

// managed is a node whose daemon a service manager runs; see manager.
type managed struct {
	*cluster.Node
	process  *lab.Process
	commands *io.PipeWriter
	binary   string // what runs now
	plain    bool   // without a store
}

// manage starts a manager on the node's host, with the daemon.
func manage(t *testing.T, n *cluster.Node, plain bool, binary string) *managed {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stdin, commands := io.Pipe()
	m := &managed{Node: n, commands: commands, binary: binary, plain: plain}
	m.process, err = n.StartCommand(lab.Command{
		Args: []string{self, n.Dir(), "up", "--config", n.Config()}, Env: []string{managerEnv + "=1"}, Stdin: stdin,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		commands.Close()
		if t.Failed() {
			text, _ := m.process.Stderr()
			t.Logf("log of %s under its manager:\n%s", n.Name(), text)
		}
	})
	m.command(t, "start", binary)
	m.awaitUp(t, 0)
	return m
}

// command gives the manager a command; the last word of one that starts something is the program.
func (m *managed) command(t *testing.T, verb string, words ...string) {
	t.Helper()
	line := verb
	starts := verb == "start" || verb == "restart"
	for i, w := range words {
		if i == len(words)-1 && m.plain && starts {
			line += " plain"
		}
		line += " " + w
	}
	if _, err := fmt.Fprintln(m.commands, line); err != nil {
		t.Fatal(err)
	}
}

// restart ends the daemon with a signal and starts a binary, and waits until it has its peers.
func (m *managed) restart(t *testing.T, signal, binary string) {
	t.Helper()
	before := status(t, m.Node).Node.PID
	m.command(t, "restart", signal, binary)
	m.binary = binary
	m.awaitUp(t, before)
}

// awaitUp waits until a daemon other than the one before runs and reaches all its peers.
func (m *managed) awaitUp(t *testing.T, before int) {
	t.Helper()
	await(t, func() (bool, string) {
		s, err := m.Status(within(t, patience))
		switch {
		case err != nil:
			return false, err.Error()
		case s.Node.PID == before || len(s.Node.Addresses) == 0 || len(s.Peers) == 0:
			return false, fmt.Sprintf("process %d with %v and %d peers", s.Node.PID, s.Node.Addresses, len(s.Peers))
		}
		for _, p := range s.Peers {
			if p.State != api.StateUp {
				return false, p.Name + " is " + p.State
			}
		}
		return true, ""
	})
}

// previousBuild is the last build that leaves no descriptors behind. Newer ones must get along with it, and take its place.
const previousBuild = "f1fbbd0654a2e6c4ffd9f2dc9e95b95178f90640"

// previousWeft builds the newest tag before this commit, or previousBuild.
func previousWeft(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	commit := previousBuild
	if tag, err := git("describe", "--tags", "--abbrev=0", "HEAD^"); err == nil {
		commit = strings.TrimSpace(tag)
	}
	if _, err := git("cat-file", "-e", commit+"^{commit}"); err != nil {
		t.Skipf("no previous build: %s is not in this checkout's history (%v)", commit, err)
	}
	archive := filepath.Join(dir, "source.tar")
	if _, err := git("archive", "-o", archive, commit); err != nil {
		t.Skipf("no previous build: %v", err)
	}
	run := func(in string, args ...string) {
		cmd := exec.CommandContext(within(t, 5*time.Minute), args[0], args[1:]...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("no previous build: %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	run(dir, "tar", "-xf", archive)
	binary := filepath.Join(dir, "weft-previous")
	run(dir, "go", "build", "-trimpath", "-o", binary, "./cmd/weft") // what it compiles is in the cache the next time
	return binary
}

func git(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return string(out), err
}

// restartBed is two hosts with a pod each: the first runs its daemon all the time, the second's restarts. Datagrams flow both
// ways, and so does TCP.
type restartBed struct {
	m        *managed
	out, in  *labtest.Paced // from and to the host that restarts
	tcp      []*labtest.Sequence
	underlay func(text string) (packets, hits int)
}

func newRestartBed(t *testing.T, plain bool, binary string, flags ...string) *restartBed {
	t.Helper()
	c := newCluster(t, 2, flags...)
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes[0].Addresses(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	b := &restartBed{m: manage(t, c.Nodes[1], plain, binary)}
	awaitPeer(t, c.Nodes[0], "vm-2", api.StateUp)
	here := pod(t, c.Nodes[0], status(t, c.Nodes[0]))
	there := pod(t, c.Nodes[1], status(t, c.Nodes[1]))
	awaitPing(t, here, there.Addr4())
	awaitPing(t, there, here.Addr6())
	b.underlay = capture(t, c.Nodes[0])
	b.out = labtest.StartPaced(t, there, here, here.Addr4(), canary)
	b.in = labtest.StartPaced(t, here, there, there.Addr4(), canary)
	b.tcp = []*labtest.Sequence{labtest.StartSequence(t, here, there, there.Addr4()), labtest.StartSequence(t, there, here, here.Addr4())}
	return b
}

// pod makes a pod on a host whose daemon the cluster did not start.
func pod(t *testing.T, n *cluster.Node, s *api.Status) *lab.Pod {
	t.Helper()
	var addrs []netip.Prefix
	for _, subnet := range s.Node.Subnets {
		a := subnet.Masked().Addr()
		for range 10 {
			a = a.Next()
		}
		addrs = append(addrs, netip.PrefixFrom(a, subnet.Bits()))
	}
	p, err := n.Pod("pod", addrs, s.Node.Device.MTU)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// measured is what one restart did to the streams.
type measured struct {
	in, out         time.Duration // longest gaps
	lostIn, lostOut int
	fought          bool // somebody waited for a processor most of the time
}

func (m measured) gap() time.Duration { return max(m.in, m.out) }

// losses are how many datagrams to and from the host a restart may lose.
type losses struct{ in, out int }

// within reports whether the gap is at most that long, and no more is lost than may be.
func (m measured) within(gap time.Duration, may losses) bool {
	return m.gap() <= gap && m.lostIn <= may.in && m.lostOut <= may.out
}

// waited is for how long, since the boot, somebody has waited for a processor (pressure stall information, Linux 4.20); 0: the
// kernel does not say.
func waited(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	some, _, _ := strings.Cut(string(text), "\n") // some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS
	_, total, _ := strings.Cut(some, "total=")
	us, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		t.Fatalf("/proc/pressure/cpu: %q: %v", text, err)
	}
	return time.Duration(us) * time.Microsecond
}

// restart restarts the daemon while everything flows, and measures from a moment before to a moment after.
func (b *restartBed) restart(t *testing.T, signal, binary string) (m measured) {
	t.Helper()
	steady := func() (out, in uint64) {
		out, in = b.out.Mark(), b.in.Mark()
		b.out.Await(t, out+settled, patience)
		b.in.Await(t, in+settled, patience)
		return out, in
	}
	out, in := steady()
	began, stalled := time.Now(), waited(t)
	b.m.restart(t, signal, binary)
	m.fought = waited(t)-stalled > time.Since(began)*3/4
	steady()
	outEnd, inEnd := steady()
	m.out, m.lostOut = b.out.Between(out, outEnd)
	m.in, m.lostIn = b.in.Between(in, inEnd)
	return m
}

// all is as many as may be lost where nothing waits.
const all = 1 << 30

// bear restarts until the gap is short enough, and no more is lost than may be.
func (b *restartBed) bear(t *testing.T, what, signal string, may losses) {
	t.Helper()
	bearable(t, what, may, func() measured { return b.restart(t, signal, b.m.binary) })
}

// bearable restarts until the gap is short enough, and no more is lost than may be.
func bearable(t *testing.T, what string, may losses, restart func() measured) {
	t.Helper()
	fair, short := false, false // a round on a machine that had time; one without an outage
	for range attempts {
		m := restart()
		t.Logf("%s: gap %v in, %v out; lost %d in, %d out; processors fought for: %v", what, m.in, m.out, m.lostIn, m.lostOut, m.fought)
		if m.within(longestGap, may) {
			return
		}
		fair = fair || !m.fought
		short = short || m.within(outage, may)
	}
	if fair || !short {
		t.Errorf("%s: of %d restarts none had a gap of at most %v and lost at most %+v", what, attempts, longestGap, may)
	}
}

// finish ends the streams and checks what must hold in all cases.
func (b *restartBed) finish(t *testing.T) {
	t.Helper()
	for _, s := range b.tcp {
		if err := s.End(within(t, patience)); err != nil {
			t.Errorf("TCP did not survive: %v", err)
		}
	}
	b.out.End()
	b.in.End()
	packets, hits := b.underlay(canary)
	if packets < 1000 {
		t.Errorf("only %d packets were captured", packets)
	}
	if hits != 0 {
		t.Errorf("%d packets on the underlay show what a pod sent", hits)
	}
}

func TestARestartThatKeepsDescriptorsIsShortAndLosesNothingThatWaits(t *testing.T) {
	b := newRestartBed(t, false, labtest.Weft(t), "--lanes", "2")
	index := deviceIndex(t, b.m.Node)
	b.bear(t, "SIGTERM and start", "SIGTERM", losses{in: onTheWay, out: 0}) // the rest waits at the peer
	b.bear(t, "kill -9 and start", "SIGKILL", losses{in: all, out: oneDrain})
	b.finish(t)
	if b.m.logged(t, "node.handover.inherited", "[udp tcp tun]") < 2 || b.m.logged(t, "node.handover.refused") > 0 {
		t.Error("the descriptors were not used")
	}
	if now := deviceIndex(t, b.m.Node); now != index {
		t.Errorf("the device has index %s, before %s", now, index)
	}
}

// logged is in how many lines of the daemons' logs all of these texts stand.
func (m *managed) logged(t *testing.T, texts ...string) (n int) {
	t.Helper()
	log, err := m.process.Stderr()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(log, "\n") {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			n++
		}
	}
	return n
}

// Descriptors of two lanes do not fit three. And 'weft down' ends what a service manager keeps, so that the device can go.
func TestDescriptorsThatDoNotFitAreReplacedAndDownLeavesNone(t *testing.T) {
	c := newCluster(t, 2, "--lanes", "2")
	if err := c.Nodes[0].Up(); err != nil {
		t.Fatal(err)
	}
	n := c.Nodes[1]
	m := manage(t, n, false, labtest.Weft(t))
	text, err := os.ReadFile(n.Config())
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "lanes: 2", "lanes: 3", 1)
	if err := os.WriteFile(n.Config(), []byte(changed), 0o600); err != nil || changed == string(text) {
		t.Fatalf("the configuration could not be changed: %v\n%s", err, text)
	}
	m.restart(t, "SIGTERM", m.binary)
	for _, kind := range []string{"what=udp", "what=tun"} {
		if m.logged(t, "node.handover.refused", kind) != 1 {
			t.Errorf("descriptors of two lanes were not refused: %s", kind)
		}
	}
	awaitPing(t, n, status(t, c.Nodes[0]).Node.Addresses[0])
	m.restart(t, "SIGKILL", m.binary)
	if m.logged(t, "node.handover.inherited", "[udp tcp tun]") != 1 {
		t.Error("those of three lanes were not kept")
	}
	awaitPing(t, n, status(t, c.Nodes[0]).Node.Addresses[0])
	if _, err := n.Weft(within(t, patience), "down", "--config", n.Config()); err != nil {
		t.Fatal(err)
	}
	if links, err := n.Run(within(t, patience), "ip", "link"); err != nil || strings.Contains(links, "weft0") {
		t.Errorf("the device is there after 'weft down': %v\n%s", err, links)
	}
	awaitPeer(t, c.Nodes[0], n.Name(), api.StateAway)
}

// deviceIndex is the interface index of weft0.
func deviceIndex(t *testing.T, n *cluster.Node) string {
	t.Helper()
	text, err := n.Run(within(t, patience), "ip", "-o", "link", "show", "weft0")
	if err != nil {
		t.Fatal(err)
	}
	index, _, _ := strings.Cut(text, ":")
	return index
}

func TestARestartWithoutDescriptorsIsShort(t *testing.T) {
	b := newRestartBed(t, true, labtest.Weft(t))
	b.bear(t, "SIGTERM and start", "SIGTERM", losses{all, all})
	b.bear(t, "kill -9 and start", "SIGKILL", losses{all, all})
	b.finish(t)
}

func TestThePreviousBuildAndThisOneUnderstandEachOtherAndAnUpgradeIsShort(t *testing.T) {
	needRoot(t)
	previous, present := previousWeft(t), labtest.Weft(t)
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain %v", plain), func(t *testing.T) {
			b := newRestartBed(t, plain, previous) // pings both ways, with both up
			again := false
			bearable(t, "upgrade", losses{all, all}, func() measured {
				if again {
					before := status(t, b.m.Node).Node.PID // it still answers for a moment
					b.m.command(t, "stop", "SIGTERM")
					b.m.command(t, "start", previous)
					b.m.awaitUp(t, before)
				}
				again = true
				return b.restart(t, "SIGTERM", present)
			})
			b.finish(t)
		})
	}
}
