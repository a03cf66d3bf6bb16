package node

import (
	"reflect"
	"testing"
	"time"

	"github.com/weftnet/weft/linkstate"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/trust"
)

func TestAMapJoinsWhatTheEndsOfALinkSayWithNamesAndStates(t *testing.T) {
	self, b, c, stranger := trust.Fingerprint{9}, trust.Fingerprint{2}, trust.Fingerprint{3}, trust.Fingerprint{4}
	graph := linkstate.Graph{Nodes: []linkstate.Node{
		{ID: b, Relay: true, Age: 2 * time.Second, Links: []linkstate.GraphLink{
			{Peer: self, RTT: 3, Loss: 1, InUse: true, Cost: 3 * time.Millisecond, Age: 2 * time.Second},
			{Peer: c, RTT: 1, Age: time.Second},
			{Peer: stranger, RTT: 1},
		}},
		{ID: c, Silent: true},
		{ID: stranger, Relay: true},
		{ID: self, Age: time.Second, Links: []linkstate.GraphLink{{Peer: b, RTT: 4, InUse: true, Cost: 3 * time.Millisecond, Age: time.Second}}},
	}}
	members := []mesh.Member{{ID: b, Name: "b", Alive: true}, {ID: c, Name: "c"}, {ID: trust.Fingerprint{5}, Name: "d", Left: true}}
	got := newAtlas(self, "a", graph, members).draw()
	want := &api.Map{
		Self: self.String(),
		Nodes: []api.MapNode{
			{Name: "a", ID: self.String(), Number: self.Number().String(), State: api.MapSelf, Relay: api.RelayRefused, Age: 1000},
			{Name: "b", ID: b.String(), Number: b.Number().String(), State: api.MapAlive, Relay: api.RelayAllowed, Age: 2000},
			{Name: "c", ID: c.String(), Number: c.Number().String(), State: api.MapDead, Silent: true},
			{Name: "d", ID: trust.Fingerprint{5}.String(), Number: trust.Fingerprint{5}.Number().String(), State: api.MapLeft, Silent: true},
		},
		Links: []api.MapLink{
			{A: "a", B: "b", AID: self.String(), BID: b.String(), UpA: true, UpB: true, InUse: true, RTT: "4-8 ms", RTTFrom: 4, RTTTo: 8,
				Loss: "<1 %", Lossy: 1, Cost: 3, Age: 2000},
			{A: "b", B: "c", AID: b.String(), BID: c.String(), UpA: true, RTT: "0.5-1 ms", RTTFrom: 0.5, RTTTo: 1, Loss: "0 %", Age: 1000},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
