package node

import (
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

func TestClocksHoursApartAreNamedWithWhatTheyAffect(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a := s.machine(1)
		must(t, a.boot()) // without a keeper, which looks at the real peers
		log := a.logged()
		for _, test := range []struct {
			skew time.Duration
			want []string
		}{
			{9 * time.Minute, nil},
			{3*time.Hour + time.Second, []string{"node-2 is 3h0m ahead", "times in logs", "timedatectl set-ntp true"}},
			{-3 * time.Hour, []string{"node-2 is 3h0m behind"}},
			{-25 * time.Hour, []string{"node-2 is 25h0m behind", "gossip without a session, which is dropped"}},
			{time.Second, nil},
		} {
			before := log.count("node.clock.apart")
			for drift := range 3 {
				a.node.noteSkew([]router.PeerStatus{
					{ID: trust.Fingerprint{2}, Name: "node-2", Up: true, SkewSaid: true, Skew: test.skew + time.Duration(drift)*time.Millisecond},
					{ID: trust.Fingerprint{3}, Name: "node-3", Up: true, SkewSaid: true, Skew: time.Second},
				})
			}
			d := ""
			for _, note := range a.node.state.degraded() {
				d += note.What + ": " + note.Reason
			}
			if (d == "") != (test.want == nil) {
				t.Errorf("%v: degraded %q", test.skew, d)
			}
			for _, want := range test.want {
				if !strings.Contains(d, want) {
					t.Errorf("%v: %q does not name %q", test.skew, d, want)
				}
			}
			if n := log.count("node.clock.apart") - before; n != min(len(test.want), 1) {
				t.Errorf("%v: logged %d times", test.skew, n)
			}
		}
	})
}
