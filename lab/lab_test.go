package lab

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestHostsReachEachOtherOverBothFamilies(t *testing.T) {
	l := testLab(t, Options{})
	for _, from := range testHosts(t, l, "a", "b", "c") {
		for _, to := range l.Hosts() {
			for _, addr := range to.Addrs() {
				if !pings(t, from.Namespace, addr) {
					t.Errorf("%s does not reach %s at %s", from.Name(), to.Name(), addr)
				}
			}
		}
	}
}

func TestUnderlayCarriesItsMTUAndNoMore(t *testing.T) {
	l := testLab(t, Options{MTU: 9000})
	hosts := testHosts(t, l, "a", "b")
	const headers = 20 + 8 // IPv4, ICMP
	for _, c := range []struct {
		size string
		want bool
	}{{"8972", true}, {"8973", false}} {
		_, err := hosts[0].Run(soon(t), "ping", "-n", "-c1", "-W5", "-Mdo", "-s", c.size, hosts[1].Addr4().String())
		if (err == nil) != c.want {
			t.Errorf("ping of %s + %d bytes: %v; want success: %v", c.size, headers, err, c.want)
		}
	}
}

func TestTwoLabsSideBySideDoNotMeet(t *testing.T) {
	one, two := testLab(t, Options{}), testLab(t, Options{})
	a := testHosts(t, one, "a")[0]
	others := testHosts(t, two, "a", "b")
	if a.Addr4() != others[0].Addr4() {
		t.Errorf("addresses differ: %s, %s: the labs are not alike", a.Addr4(), others[0].Addr4())
	}
	if !silent(t, a.Namespace, others[1].Addr4()) {
		t.Error("a host reaches a host of the other lab")
	}
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	if !pings(t, a.Namespace, a.Addr4()) {
		t.Error("closing one lab broke the other")
	}
}

func TestHostHasNoDefaultRouteUnlessAsked(t *testing.T) {
	l := testLab(t, Options{})
	hosts := testHosts(t, l, "a", "b")
	if via, err := gatewayTo(hosts[0], outside); err == nil {
		t.Fatalf("a host without default route has a way outside, via %v", via)
	}
	if err := hosts[0].SetDefaultRoute(hosts[1].Addr4()); err != nil {
		t.Fatal(err)
	}
	if err := hosts[0].ChangeAddress(); err != nil {
		t.Fatal(err)
	}
	if via, err := gatewayTo(hosts[0], outside); via != hosts[1].Addr4() {
		t.Errorf("after SetDefaultRoute and a change of address: via %v, %v", via, err)
	}
}

var outside = netip.MustParseAddr("198.51.100.1") // TEST-NET-2

// gatewayTo asks a host's kernel through which other host it would send.
func gatewayTo(h *Host, to netip.Addr) (via netip.Addr, err error) {
	err = h.Do(func() error {
		routes, err := netlink.RouteGet(to.AsSlice())
		if err == nil && len(routes) > 0 {
			via, _ = netip.AddrFromSlice(routes[0].Gw)
		}
		return err
	})
	return via.Unmap(), err
}

func TestMachinesOwnNamespaceIsNotTouched(t *testing.T) {
	needLab(t)
	before := interfaces(t)
	l := testLab(t, Options{})
	testHosts(t, l, "a", "b")
	if after := interfaces(t); after != before {
		t.Errorf("interfaces of the machine were %s, are %s", before, after)
	}
}

func interfaces(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/dev_mcast")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	var ordered []string
	for line := range strings.Lines(string(raw)) {
		name := strings.Fields(line)[1]
		if !names[name] {
			names[name] = true
			ordered = append(ordered, name)
		}
	}
	return strings.Join(ordered, " ")
}

func TestCloseIsIdempotentAndRefusesWhatFollows(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_, makeHost := l.Host("b")
	_, makePod := a.Pod("p", prefixes("10.0.0.2/24"), 0)
	_, start := a.Start("true")
	refused := map[string]error{
		"Host": makeHost, "Pod": makePod, "Start": start, "Isolate": a.Isolate(), "ChangeAddress": a.ChangeAddress(),
		"Do": a.Do(func() error { return nil }), "Cut": l.Cut(a, a), "SetDefaultRoute": a.SetDefaultRoute(a.Addr4()),
	}
	for operation, err := range refused {
		if !errors.Is(err, errEnded) {
			t.Errorf("%s on a closed lab: %v", operation, err)
		}
	}
}

func TestCloseDuringWorkLeavesNothing(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				if _, err := a.Start("sleep", "1000"); err != nil {
					return
				}
			}
		})
	}
	all.Go(func() {
		for _, name := range []string{"b", "c", "d", "e", "f"} {
			l.Host(name)
		}
	})
	await(t, "some processes run", func() bool {
		procs, err := l.journal.list()
		return err == nil && len(procs) > 8
	})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	procs, err := inside([]string{a.FullName()})
	if err != nil || len(procs) > 0 {
		t.Errorf("processes left: %v, %v", procs, err)
	}
}

func TestCloseGivesBackItsDescriptors(t *testing.T) {
	needLab(t)
	round := func() {
		l, err := New(context.Background(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		a := testHosts(t, l, "a", "b")[0]
		if _, err := a.Run(soon(t), "true"); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	round() // what the runtime opens once
	before := count(t, "/proc/self/fd")
	for range 3 {
		round()
	}
	if after := count(t, "/proc/self/fd"); after > before {
		t.Errorf("descriptors: %d, were %d", after, before)
	}
}

func TestCloseLeavesNoThreadBehindInANamespace(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	var inside uint64
	if err := a.Do(func() error { inside = currentNamespace(t); return nil }); err != nil {
		t.Fatal(err)
	}
	if !threadIn(t, inside) {
		t.Error("the namespace has no thread of its own")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the namespace's thread ended", func() bool { return !threadIn(t, inside) })
}

// threadIn reports whether a thread of this process is in the network namespace with that inode.
func threadIn(t *testing.T, inode uint64) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		var stat unix.Stat_t
		return unix.Stat(path, &stat) == nil && stat.Ino == inode
	})
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestEndOfContextKillsProcessesAndKeepsTheirOutput(t *testing.T) {
	needLab(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := New(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := testHosts(t, l, "a")[0]
	p, err := a.Start("sh", "-c", "echo here; exec sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	await(t, "output", func() bool { out, _ := p.Stdout(); return out == "here\n" })
	cancel()
	<-p.Done()
	if out, err := p.Stdout(); out != "here\n" || err != nil {
		t.Errorf("output after the end = %q, %v", out, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	assertGone(t, l.ID())
}

func TestOutNamesWhatWasMade(t *testing.T) {
	var out bytes.Buffer
	l := testLab(t, Options{Out: &out})
	a := testHosts(t, l, "vm-1")[0]
	if _, err := a.Pod("p", prefixes("10.244.1.10/24", "fd00:244:1::10/64"), 1400); err != nil {
		t.Fatal(err)
	}
	want := "host vm-1: 192.0.2.10 fd77:6566:7400::10\npod vm-1-p: 10.244.1.10 fd00:244:1::10\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("out:\n%swant:\n%s", out.String(), want)
	}
}

func TestNamespacesAreVisibleByName(t *testing.T) {
	l := testLab(t, Options{})
	a := testHosts(t, l, "a")[0]
	if _, err := os.Stat(filepath.Join("/run/netns", "weft-"+l.ID()+"-a")); err != nil {
		t.Error(err)
	}
	if want := "weft-" + l.ID() + "-a"; a.FullName() != want {
		t.Errorf("full name = %s, want %s", a.FullName(), want)
	}
}

func TestBadOptionsAreRefusedInOneLine(t *testing.T) {
	for _, o := range []Options{{ID: "a-b"}, {ID: "A"}, {ID: "12345678901234567"}, {MTU: 1279}, {MTU: 65536}, {MTU: -1}, {Rate: 1}, {Rate: 1e12}} {
		_, err := New(context.Background(), o)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "lab: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestIDInUseIsRefused(t *testing.T) {
	l := testLab(t, Options{})
	if _, err := New(context.Background(), Options{ID: l.ID()}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second lab of the same id: %v", err)
	}
	testHosts(t, l, "a") // the first is unharmed
}

func TestBadAndTakenNamesAreRefused(t *testing.T) {
	l := testLab(t, Options{})
	testHosts(t, l, "a", "b")
	for _, name := range []string{"", "a", "switch", "A", "-a", "a-", "a/b", "..", strings.Repeat("x", 33)} {
		if _, err := l.Host(name); err == nil {
			t.Errorf("a host %q was made", name)
		}
	}
}
