package firewall

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// host is a namespace that does not forward, and its keeper of switches.
type host struct {
	t *testing.T
	*lab.Host
	want    Switches
	keeper  *Forwarding
	another *lab.Host // on the same underlay
}

func newForwardingHost(t *testing.T) *host {
	t.Helper()
	l := newLab(t, "ip", "nft")
	h := &host{t: t, Host: labtest.Host(t, l, "vm"), another: labtest.Host(t, l, "router"), keeper: NewForwarding(nil)}
	h.want = Switches{IPv4: true, IPv6: true, Device: "weft0", Record: filepath.Join(t.TempDir(), "sysctls.json")}
	h.write(forward4, "0")
	h.write(forward6, "0")
	return h
}

func (h *host) write(path, value string) {
	h.t.Helper()
	if err := h.Do(func() error { return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0) }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) has(path, want string) {
	h.t.Helper()
	var got string
	if err := h.Do(func() (err error) { got, err = read(path); return err }); err != nil || got != want {
		h.t.Errorf("%s = %q, %v, want %s", path, got, err, want)
	}
}

func (h *host) set(want Switches) (changes string) {
	h.t.Helper()
	if err := h.Do(func() error {
		c, err := h.keeper.Set(want)
		changes = c.String()
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return changes
}

// undo is what 'weft down' does, in a process of its own.
func (h *host) undo() {
	h.t.Helper()
	if err := h.Do(func() error { return NewForwarding(nil).Undo(h.want.Device, h.want.Record) }); err != nil {
		h.t.Fatal(err)
	}
	if _, err := os.Stat(h.want.Record); !errors.Is(err, os.ErrNotExist) {
		h.t.Errorf("the record is still there: %v", err)
	}
	h.keeper = NewForwarding(nil)
}

func TestForwardingIsTurnedOnAndPutBack(t *testing.T) {
	h := newForwardingHost(t)
	if got := h.set(h.want); !strings.Contains(got, "net.ipv4.ip_forward = 1 (was 0)") || !strings.Contains(got, "net.ipv6.conf.all.forwarding = 1 (was 0)") {
		t.Errorf("changes: %s", got)
	}
	h.has(forward4, "1")
	h.has(forward6, "1")
	if got := h.set(h.want); got != "" {
		t.Errorf("a second Set changed: %s", got)
	}
	h.write(forward4, "0")
	h.set(h.want)
	h.has(forward4, "1")

	four := h.want
	four.IPv6 = false
	h.set(four)
	h.has(forward4, "1")
	h.has(forward6, "0")

	h.set(h.want)
	h.undo()
	h.has(forward4, "0")
	h.has(forward6, "0")
	h.undo()
}

func TestWhatOthersTurnedOnOrHaveChangedSinceIsTheirs(t *testing.T) {
	h := newForwardingHost(t)
	h.write(forward4, "1")
	h.set(h.want)
	h.undo()
	h.has(forward4, "1")
	h.has(forward6, "0")

	path := "net/ipv6/conf/eth0/accept_ra"
	h.uplink("1")
	h.set(h.want)
	h.has(path, "2")
	h.write(path, "0")
	h.undo()
	h.has(path, "0")
	h.has(forward6, "0")
}

// uplink gives eth0 a gateway, which makes it an uplink, and a value of accept_ra.
func (h *host) uplink(acceptRA string) {
	h.t.Helper()
	run(h.t, h, "ip -6 route replace 2001:db8:1::/48 via "+h.another.Addr6().String())
	h.write("net/ipv6/conf/eth0/accept_ra", acceptRA)
}

func TestUplinksGoOnTakingRouterAdvertisements(t *testing.T) {
	h := newForwardingHost(t)
	h.advertise()
	h.set(h.want)
	h.has("net/ipv6/conf/eth0/accept_ra", "2")
	if got := h.learned(); got == "" {
		t.Error("the default route that the router advertised is gone")
	}
	h.undo()
	h.has("net/ipv6/conf/eth0/accept_ra", "1")
	h.has(forward6, "0")
}

// Without us the kernel gives the router up: else the test above would show nothing.
func TestForwardingAloneLosesTheRouter(t *testing.T) {
	h := newForwardingHost(t)
	h.advertise()
	h.write(forward6, "1")
	if got := h.learned(); got != "" {
		t.Errorf("with accept_ra 1 the kernel keeps %q", got)
	}
}

// learned is the default route that a router advertised.
func (h *host) learned() string { return run(h.t, h, "ip -6 route show default proto ra") }

// advertise makes the other host a router that advertises itself on the underlay, and waits until it is the default route.
func (h *host) advertise() {
	h.t.Helper()
	for _, n := range []runner{h, h.another} {
		run(h.t, n, "ip link set eth0 addrgenmode eui64; ip link set eth0 down; ip link set eth0 up")
	}
	h.write("net/ipv6/conf/eth0/accept_ra", "1")
	s := &site{t: h.t}
	s.until("a default route", func() bool {
		err := h.another.Do(func() error {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil {
				return err
			}
			if err := unix.BindToDevice(fd, "eth0"); err != nil {
				return err
			}
			// RFC 4861, section 4.2: type 134, hop limit 64, lifetime 1800 s.
			advertisement := []byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}
			return unix.Sendto(fd, advertisement, 0, &unix.SockaddrInet6{Addr: [16]byte{0: 0xff, 1: 2, 15: 1}})
		})
		return err == nil && h.learned() != ""
	})
}

func TestInterfacesThatLeadToGuestsAreNoUplinks(t *testing.T) {
	h := newForwardingHost(t)
	run(t, h, `ip link add guest type veth peer name far; ip link set guest up; ip link set far up
		ip link add br7 type bridge; ip link set br7 up
		ip tuntap add weft0 mode tun; ip link set weft0 up`)
	all := []string{"guest", "far", "br7", "weft0", "eth0"}
	for _, name := range all {
		h.write("net/ipv6/conf/"+name+"/accept_ra", "1")
	}
	h.uplink("1")
	h.set(h.want)
	for _, name := range all[:4] {
		h.has("net/ipv6/conf/"+name+"/accept_ra", "1")
	}
	h.has("net/ipv6/conf/eth0/accept_ra", "2")

	run(t, h, "ip link add link eth0 name eth0.7 type macvlan; ip link set eth0.7 up") // an uplink that comes later
	h.write("net/ipv6/conf/eth0.7/accept_ra", "1")
	if got := h.set(h.want); !strings.Contains(got, "net.ipv6.conf.eth0/7.accept_ra = 2") {
		t.Errorf("changes: %s", got)
	}
	run(t, h, "ip link del eth0.7")
	h.undo()
	h.has("net/ipv6/conf/eth0/accept_ra", "1")
}

func TestABridgeWithAPhysicalPortIsAnUplinkBeforeItHasAGateway(t *testing.T) {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", Index: 2}}
	port := func(master int) netlink.LinkAttrs { return netlink.LinkAttrs{Index: 3, MasterIndex: master} }
	for _, c := range []struct {
		port netlink.Link
		want bool
	}{
		{&netlink.Device{LinkAttrs: port(2)}, true},
		{&netlink.Vlan{LinkAttrs: port(2)}, true},
		{&netlink.Device{LinkAttrs: port(4)}, false},
		{&netlink.Veth{LinkAttrs: port(2)}, false},
		{&netlink.Tuntap{LinkAttrs: port(2)}, false},
	} {
		if got := bridgesOut(bridge, []netlink.Link{bridge, c.port}); got != c.want {
			t.Errorf("with port %s of %d: %v", c.port.Type(), c.port.Attrs().MasterIndex, got)
		}
	}
}

func TestAnInterfaceIsTendedWhenItGetsAGatewayAndWhenItIsMadeAnew(t *testing.T) {
	h := newForwardingHost(t)
	path := "net/ipv6/conf/eth0/accept_ra"
	h.write(path, "1")
	h.set(h.want)
	h.has(path, "1")
	h.uplink("1")
	h.set(h.want)
	h.has(path, "2")

	path = "net/ipv6/conf/up0/accept_ra"
	for range 2 {
		run(t, h, "ip link add link eth0 name up0 type macvlan")
		h.write(path, "1")
		h.set(h.want)
		h.has(path, "2")
		run(t, h, "ip link del up0")
	}
	h.undo()
}

func TestADumpThatIsInterruptedIsAskedForAgainAndNeverTakenForWhole(t *testing.T) {
	asked := 0
	list, err := complete(func() ([]int, error) {
		if asked++; asked == dumps {
			return []int{1, 2}, nil
		}
		return []int{1}, netlink.ErrDumpInterrupted
	})
	if err != nil || len(list) != 2 {
		t.Errorf("the last of %d dumps: %v, %v", dumps, list, err)
	}
	if _, err := complete(func() ([]int, error) { return []int{1}, netlink.ErrDumpInterrupted }); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("a part of a list passes for the whole: %v", err)
	}
}

func TestIPv6IsNotForwardedAsLongAsTheUplinksCannotBeSeenTo(t *testing.T) {
	h := newForwardingHost(t)
	h.uplink("1")
	h.keeper.find = func(string) ([]uplink, error) { return nil, netlink.ErrDumpInterrupted }
	if err := h.Do(func() error { _, err := h.keeper.Set(h.want); return err }); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("err = %v", err)
	}
	h.has(forward6, "0")
	h.has(forward4, "1")
	h.keeper.find = uplinks
	h.set(h.want)
	h.has(forward6, "1")
	h.has("net/ipv6/conf/eth0/accept_ra", "2")
}

func TestSwitchesThatSomebodyElseNeedsStayOnAndThatIsSaidOnce(t *testing.T) {
	h := newForwardingHost(t)
	chain := func(table string) string {
		return "nft 'table inet " + table + " { chain forward { type filter hook forward priority 0; iifname \"x\" accept; }; }'"
	}
	run(t, h, chain("firewall")) // while nothing is forwarded: no user
	h.uplink("1")
	h.set(h.want)
	run(t, h, chain("engine"))
	var said strings.Builder
	h.keeper = NewForwarding(slog.New(slog.NewTextHandler(&said, nil)))
	for range 2 {
		h.set(Switches{Device: "weft0", Record: h.want.Record})
	}
	h.has(forward4, "1")
	h.has(forward6, "1")
	h.has("net/ipv6/conf/eth0/accept_ra", "2")
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "kernel.firewall.kept") || !strings.Contains(text, "inet engine forward") {
		t.Errorf("the log says %q", text)
	}
	run(t, h, "nft delete table inet engine")
	h.undo()
	h.has(forward4, "0")
	h.has(forward6, "0")
	h.has("net/ipv6/conf/eth0/accept_ra", "1")
}

func TestARecordThatSomebodyDeletesIsWrittenAgain(t *testing.T) {
	h := newForwardingHost(t)
	h.set(h.want)
	if err := os.Remove(h.want.Record); err != nil {
		t.Fatal(err)
	}
	h.set(h.want)
	h.undo() // by a process that knows nothing but the file
	h.has(forward4, "0")
	h.has(forward6, "0")
}

func TestADamagedOrNewerRecordIsNotOverwritten(t *testing.T) {
	h := newForwardingHost(t)
	for _, content := range []string{"{", `{"version": 9, "changed": []}`} {
		if err := os.WriteFile(h.want.Record, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := h.Do(func() error { _, err := NewForwarding(nil).Set(h.want); return err })
		if err == nil || !strings.Contains(err.Error(), h.want.Record) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: err = %v", content, err)
		}
		h.has(forward4, "0")
		if got, err := os.ReadFile(h.want.Record); err != nil || string(got) != content {
			t.Errorf("the record is %q, %v", got, err)
		}
	}
}

func TestWhatCannotBeWrittenDownIsNotChanged(t *testing.T) {
	h := newForwardingHost(t)
	h.want.Record = filepath.Join(t.TempDir(), "absent", "sysctls.json")
	if err := h.Do(func() error { _, err := h.keeper.Set(h.want); return err }); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
	h.has(forward4, "0")
	h.has(forward6, "0")
}

// TestAReadOnlyProcSysIsNamedWithTheRemedy has /proc/sys as a sandbox of systemd has it.
func TestAReadOnlyProcSysIsNamedWithTheRemedy(t *testing.T) {
	h := newForwardingHost(t)
	handle, err := netns.GetFromName(h.FullName())
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	sets, results := make(chan struct{}), make(chan error, 1)
	defer close(sets)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and its mounts with it
		results <- errors.Join(netns.Set(handle), readOnlySysctls())
		for range sets {
			_, err := h.keeper.Set(h.want)
			results <- err
		}
	}()
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	sets <- struct{}{}
	err = <-results
	denied := new(SysctlError)
	if !errors.As(err, &denied) || denied.Name != "net.ipv4.ip_forward" || !errors.Is(err, unix.EROFS) || strings.Contains(err.Error(), "\n") {
		t.Errorf("err = %v", err)
	}
	for _, line := range []string{"net.ipv4.ip_forward = 1", "net.ipv6.conf.all.forwarding = 1"} {
		if !strings.Contains(err.Error(), "echo '"+line+"' >>/etc/sysctl.d/90-weft.conf && sysctl --system") {
			t.Errorf("err = %v: no remedy for %s", err, line)
		}
	}
	h.write(forward4, "1")
	h.write(forward6, "1")
	sets <- struct{}{}
	if err := <-results; err != nil {
		t.Errorf("after the remedy: %v", err)
	}
}

// readOnlySysctls makes /proc/sys read-only for the calling thread.
func readOnlySysctls() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""),
		unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""),
	)
}
