package doctor

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/api"
)

// asked are facts of a node that was called, with these outcomes.
func asked(outcomes ...[2]string) *Facts {
	f := served()
	f.Asked, f.DialBack = true, &api.DialBack{Peer: "vm-2", By: api.DialedByPeer}
	for _, o := range outcomes {
		f.DialBack.Endpoints = append(f.DialBack.Endpoints, api.DialedEndpoint{Endpoint: netip.MustParseAddrPort("192.0.2.1:9338"), UDP: o[0], TCP: o[1]})
	}
	return f
}

func TestWhatCameOfCallsIsTold(t *testing.T) {
	nobody, self := asked(), asked([2]string{"lost", "refused"})
	nobody.DialBack.By, nobody.DialBack.Why = api.DialedByNobody, "vm-2 runs an older build"
	self.DialBack.By, self.DialBack.Why = api.DialedBySelf, "there is no path to vm-2"
	failed := asked()
	failed.DialBack, failed.DialErr = nil, errors.New("weft is not running")
	for name, test := range map[string]struct {
		f    *Facts
		want map[string]Finding
		says string
	}{
		"both arrive":       {asked([2]string{"ok", "ok"}), map[string]Finding{"reach.udp": OK, "reach.tcp": OK}, "arrived"},
		"UDP is lost":       {asked([2]string{"lost", "ok"}), map[string]Finding{"reach.udp": Warn, "reach.tcp": OK}, "UDP port 9338"},
		"TCP is refused":    {asked([2]string{"ok", "refused"}), map[string]Finding{"reach.udp": OK, "reach.tcp": Warn}, "is refused"},
		"one address works": {asked([2]string{"ok", "ok"}, [2]string{"lost", "timeout"}), map[string]Finding{"reach.udp": Warn, "reach.tcp": Warn}, "the endpoint that works"},
		"nobody called":     {nobody, map[string]Finding{"reach": Warn}, "older build"},
		"called from here":  {self, map[string]Finding{"reach": Warn}, "from this side only"},
		"not even asked":    {failed, map[string]Finding{"reach": Fail}, "not running"},
		"no endpoint":       {asked(), map[string]Finding{"reach": Warn}, "advertise"},
	} {
		var said strings.Builder
		got := map[string]Finding{}
		for _, c := range Examine(test.f).Checks {
			if strings.HasPrefix(c.Name, "reach") {
				got[c.Name] = c.Finding
				said.WriteString(c.Detail + c.Remedy)
			}
		}
		if len(got) != len(test.want) || !strings.Contains(said.String(), test.says) {
			t.Errorf("%s: %v, %s", name, got, said.String())
		}
		for check, want := range test.want {
			if got[check] != want {
				t.Errorf("%s: %s is %s, want %s", name, check, got[check], want)
			}
		}
	}
}

func TestACallThatArrivedCountsMoreThanTheRules(t *testing.T) {
	f := asked([2]string{"ok", "lost"})
	f.Filter.Chains = []Chain{{Family: "inet", Table: "filter", Name: "input", Hook: "input", Drops: true, Owner: OwnerNFT}}
	got := map[string]Finding{}
	for _, c := range Examine(f).Checks {
		got[c.Name] = c.Finding
	}
	if got["firewall.udp"] != OK || got["firewall.tcp"] != Warn {
		t.Errorf("udp %s, tcp %s", got["firewall.udp"], got["firewall.tcp"])
	}
}

func TestAnAcceptingRuleForTheDeviceOrThePortIsEnough(t *testing.T) {
	f := served()
	f.Filter.Chains = []Chain{
		{Hook: "forward", Drops: true, Rules: []Rule{{In: "weft*", Verdict: Accept}, {Out: "weft0", Verdict: Accept}}},
		{Hook: "input", Drops: true, Rules: []Rule{portRule(unix.IPPROTO_UDP, Accept), portRule(unix.IPPROTO_TCP, Accept), portRule(0, Refuse)}},
	}
	if r := Examine(f); r.Count(OK) != len(r.Checks) {
		t.Errorf("%+v", r.Checks)
	}
}

func TestWordsForTheShellAreQuoted(t *testing.T) {
	for word, want := range map[string]string{"weft0": "weft0", "/etc/my secret": "'/etc/my secret'", "it's": `'it'\''s'`, "": "''", "a;b": "'a;b'"} {
		if got := quoted(word); got != want {
			t.Errorf("%q becomes %s, want %s", word, got, want)
		}
	}
}
