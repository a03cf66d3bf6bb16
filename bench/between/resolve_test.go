package between

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/node/api"
)

func peers() *api.Status {
	return &api.Status{Node: api.Node{Name: "vm-1"}, Peers: []api.Peer{
		{
			Name: "vm-2", State: api.StateUp, Path: "udp", Endpoint: "127.0.0.2:9338",
			Subnets: []netip.Prefix{netip.MustParsePrefix("127.90.2.0/24")},
			Addrs:   []netip.Addr{netip.MustParseAddr("fd10::2"), netip.MustParseAddr("127.90.2.1")},
		},
		{Name: "vm-3", State: api.StateUp, Path: "udp", Endpoint: "127.0.0.3:9338", Addrs: []netip.Addr{netip.MustParseAddr("127.90.3.1")}},
		{Name: "vm-4", State: api.StateUp, Path: "udp", Endpoint: "127.0.0.3:1024", Addrs: []netip.Addr{netip.MustParseAddr("127.90.4.1")}},
	}}
}

func TestAPeerIsFoundByNameOverlayAndUnderlayAddress(t *testing.T) {
	cases := map[string]struct{ peer, addr string }{
		"vm-2":        {"vm-2", ""},
		"127.90.2.1":  {"vm-2", "127.90.2.1"},
		"127.90.2.77": {"vm-2", "127.90.2.77"}, // behind the peer
		"fd10::2":     {"vm-2", "fd10::2"},
		"127.0.0.2":   {"vm-2", ""},
		"127.0.0.9":   {"", "127.0.0.9"},
	}
	for host, want := range cases {
		peer, addr, err := find(t.Context(), host, peers())
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		name, text := "", ""
		if peer != nil {
			name = peer.Name
		}
		if addr.IsValid() {
			text = addr.String()
		}
		if name != want.peer || text != want.addr {
			t.Errorf("%s is peer %q at %q, want %+v", host, name, text, want)
		}
	}
}

func TestAnAddressOfSeveralPeersNamesThem(t *testing.T) {
	_, _, err := find(t.Context(), "127.0.0.3", peers())
	if err == nil || !strings.Contains(err.Error(), "vm-3, vm-4") {
		t.Errorf("an address that two peers share: %v", err)
	}
}

func TestAnUnknownNameListsThePeers(t *testing.T) {
	_, _, err := find(t.Context(), "vm-9.invalid", peers()) // RFC 6761: never in the DNS
	if err == nil || !strings.Contains(err.Error(), "known are vm-2, vm-3, vm-4") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestNamesOfPeersArePrintedWithoutControls(t *testing.T) {
	status := peers()
	status.Peers[0].Name, status.Peers[0].Via, status.Peers[1].Reason = "vm\x1b]0;x\a", "vm\n3", "no\ranswer"
	clean(status)
	if p := status.Peers; p[0].Name != "vm?]0;x?" || p[0].Via != "vm?3" || p[1].Reason != "no?answer" || p[2].Name != "vm-4" {
		t.Errorf("%q, %q, %q, %q", p[0].Name, p[0].Via, p[1].Reason, p[2].Name)
	}
}

func TestBothPathsOfAPeerAreKnownOrTheReasonIs(t *testing.T) {
	var w way
	p := &peers().Peers[0]
	if err := w.through(p, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	if w.paths[0].Address.String() != "127.90.2.1" || w.paths[1].Address.String() != "127.0.0.2" || w.paths[1].Device != "lo" {
		t.Errorf("paths %+v and %+v", w.paths[0], w.paths[1])
	}
	p.Via, p.Endpoint = "vm-3", ""
	if err := w.through(p, netip.Addr{}); err != nil || !strings.Contains(w.paths[1].Unavailable, "relay vm-3") {
		t.Errorf("through a relay: %+v, %v", w.paths[1], err)
	}
	p.State, p.Reason = api.StateDown, "no answer"
	if err := w.through(p, netip.Addr{}); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("a peer that is down: %v", err)
	}
}

func TestOnlyPeersThatAreUpAndWhatIsAllowedMayMeasure(t *testing.T) {
	down := peers().Peers[1]
	down.State = api.StateDown
	list := []api.Peer{peers().Peers[0], down}
	// 127.90.2.9 is behind vm-2 and not its own.
	for addr, want := range map[string]string{"127.90.2.1": "vm-2", "127.90.2.9": "", "fd10::2": "vm-2", "127.90.3.1": "", "127.0.0.2": ""} {
		got := ""
		if p := peerAt(list, netip.MustParseAddr(addr)); p != nil {
			got = p.Name
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", addr, got, want)
		}
	}
}

func TestAPeersJobsAreForItsAddresses(t *testing.T) {
	p := peers().Peers[0]
	g := peerGuest(p)
	if want := append(slices.Clone(p.Addrs), netip.MustParseAddr("127.0.0.2")); g.name != "vm-2" || g.pin || !slices.Equal(g.from, want) {
		t.Errorf("%+v, want those in the overlay and the endpoint's", g)
	}
	p.Via = "vm-3"
	if g := peerGuest(p); !g.pin || !slices.Equal(g.from, p.Addrs) {
		t.Errorf("behind a relay: %+v, want the first that shows the token", g)
	}
	p.Via, p.Endpoint = "", ""
	if g := peerGuest(p); !g.pin {
		t.Errorf("without endpoint: %+v", g)
	}
	p.Name = "vm\x1b[2J"
	if g := peerGuest(p); g.name != "vm?[2J" {
		t.Errorf("name = %q", g.name)
	}
}

func TestADaemonThatDoesNotAnswerIsNotAskedForEveryStranger(t *testing.T) {
	asked := 0
	a := &admission{ask: func(context.Context) (*api.Status, error) { asked++; return nil, api.ErrNotRunning }}
	synctest.Test(t, func(t *testing.T) {
		for range 3 {
			if g, err := a.who(t.Context(), netip.MustParseAddr("127.90.2.1")); g != nil || !errors.Is(err, api.ErrNotRunning) {
				t.Errorf("%+v, %v", g, err)
			}
		}
		time.Sleep(peersFor)
		_, _ = a.who(t.Context(), netip.MustParseAddr("127.90.2.1"))
	})
	if asked != 2 {
		t.Errorf("asked %d times, want 2: at first, and when the answer was old", asked)
	}
}

func TestOptionsThatCannotBeAreRefusedBeforeAnythingStarts(t *testing.T) {
	for _, o := range []Options{
		{}, {Address: ":9340"}, {Address: "vm-2:0"}, {Address: "vm-2:70000"}, {Address: "vm-2:x"},
		{Address: "vm-2", Duration: 1}, {Address: "vm-2", Rounds: -1}, {Address: "vm-2", Rounds: maxRounds + 1},
		{Address: "vm-2", MTU: 67}, {Address: "vm-2", MTU: maxMTU + 1},
	} {
		if r, err := Run(t.Context(), o); r != nil || !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	allow := []netip.Prefix{loopback}
	for _, o := range []ServeOptions{
		{}, {Allow: []netip.Prefix{{}}}, {Allow: allow, Listen: "9340"}, {Allow: allow, Listen: "vm-1:9340"}, {Allow: allow, Listen: ":x"},
		{Allow: allow, MaxTime: time1}, {Allow: allow, MaxTime: maxMaxTime + 1}, {Allow: allow, MaxRate: minRate - 1},
	} {
		if err := Serve(t.Context(), o); !errors.Is(err, ErrUsage) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

const time1 = minMaxTime - 1

func TestAnMTULargerThanTheLinkIsRefusedBeforeAnythingStarts(t *testing.T) {
	err := checkMTU(9000, &Path{Device: "weft0", MTU: 1500})
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "MTU 9000 on a link of 1500 (weft0)") {
		t.Errorf("MTU 9000: %v", err)
	}
	if err := checkMTU(1500, &Path{MTU: 1500}); err != nil {
		t.Error(err)
	}
}

func TestAHostMayBeWrittenWithOrWithoutPort(t *testing.T) {
	for text, want := range map[string]string{
		"vm-2": "vm-2 9340", "vm-2:7": "vm-2 7", "10.90.2.1": "10.90.2.1 9340", "fd00::1": "fd00::1 9340", "[fd00::1]:7": "fd00::1 7",
	} {
		host, port, err := splitAddress(text)
		if got := host + " " + strconv.Itoa(int(port)); err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
}

func TestWithoutAServerTheUserIsToldWhatToStart(t *testing.T) {
	s := start(t, ServeOptions{Allow: []netip.Prefix{loopback}})
	s.stop()
	_, err := Run(t.Context(), Options{Address: s.address.String()})
	if err == nil || !strings.Contains(err.Error(), "start 'weft bench --serve' there") {
		t.Errorf("nothing listens: %v", err)
	}
}

func TestADaemonThatDoesNotRunIsNeededOnlyWhereNobodyIsAllowed(t *testing.T) {
	socket := t.TempDir() + "/weft.sock"
	if err := Serve(t.Context(), ServeOptions{Socket: socket, Listen: "127.0.0.1:0"}); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("without daemon and --allow: %v", err)
	}
	s := start(t, ServeOptions{Socket: socket, Allow: []netip.Prefix{loopback}})
	s.out.await(t, "no daemon answers: only 127.0.0.0/8")
	dialTest(t, s.address)
}
