package bed

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/tun"
)

func TestADaemonThatRunsOtherwiseThanItsNameSaysIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*api.Status)
		want  string // in the error; empty: it is as the name says
	}{
		"as it should be":  {func(*api.Status) {}, ""},
		"larger path":      {func(s *api.Status) { s.Peers[0].MTU++ }, ""},
		"other driver":     {func(s *api.Status) { s.Node.Device.Driver, s.Node.Device.Why = "plain", "no GSO" }, "no GSO"},
		"relayed":          {func(s *api.Status) { s.Peers[0].Path = "relay" }, "relay"},
		"in clear":         {func(s *api.Status) { s.Peers[0].Sealed = false }, "sealed: false"},
		"smaller path":     {func(s *api.Status) { s.Peers[0].MTU = 1420 }, "1420"},
		"no peer":          {func(s *api.Status) { s.Peers = nil }, "0 peers"},
		"a stranger joins": {func(s *api.Status) { s.Peers = append(s.Peers, api.Peer{}) }, "2 peers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := api.Status{Peers: []api.Peer{{Name: "b", Path: "udp", Sealed: true, MTU: 1440}}}
			s.Node.Device = api.Device{Driver: "batch", MTU: 1440}
			test.spoil(&s)
			err := weft{driver: tun.DriverBatch, sealed: true}.as(&s)
			if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
