package metrics

import (
	"github.com/weftnet/weft/node/api"
)

// clusterFamilies say what the node knows of the cluster.
var clusterFamilies = []*Family{
	gauge("weft_members", "Other nodes that are known: those that gossip reaches (alive), those that said goodbye (left), and the rest (dead).", collectMembers, "state"),
	gauge("weft_claims", "Claims that are known, this node's among them.", one(func(s *api.Status) int { return s.Node.Claims })),
	gauge("weft_conflicts", "Claimed prefixes that their claimer does not get.", one(func(s *api.Status) int { return len(s.Node.Conflicts) })),
	gauge("weft_subnets", "Prefixes of the overlay that this node owns; 0 while it has none.", one(func(s *api.Status) int { return len(s.Node.Subnets) })),
	gauge("weft_routes", "Networks behind this node: those that packets go to through it (active), those for which another node is active (standby), and those that nobody may lead to (refused).",
		collectRoutes, "role"),
	gauge("weft_seeds", "Configured addresses to call: those that have joined or lead to this node itself, and those that have not (failing).", collectSeeds, "state"),
	gauge("weft_sessions", "Peers with keys in force.", one(sessions)),
	gauge("weft_refused_nodes", "Nodes that were refused for another secret or setting within the last 10 minutes; 32 at most.",
		one(func(s *api.Status) int { return len(s.Node.Refused) })),
	gauge("weft_paths", "Other nodes, by how packets reach them: straight (udp), through others (relay), not at all (none).", collectPaths, "path"),
	counter("weft_path_moves_total", "Times that packets to a peer which was reached went another way: through other nodes, or through others than before (relay), and back (udp).",
		collectMoves, "to"),
	counter("weft_streams_total", "TCP connections to the port, by what became of them.", collectStreams, "outcome"),
	counter("weft_initiations_total", "Handshakes that others began, by what became of them: a response (answered), under load a request to prove the address (cookie). Those that got nothing are in weft_drops_total.",
		collectHandshakes, "outcome"),
	counter("weft_gossip_drops_total", "Gossip that was dropped: packets and streams that came faster than they were taken (transport), messages likewise (messages), packets that the port did not take (unsent). It comes again.",
		collectGossip, "stage"),
	counter("weft_gossip_refused_total", "Messages of members that are not in order: their form, or a signature that does not match.",
		one(func(s *api.Status) uint64 { return s.Node.Gossip.Refused })),
}

func collectMembers(s *api.Status, e emit) {
	m := s.Node.Members
	e(float64(m.Alive), "alive")
	e(float64(m.Left), "left")
	e(float64(m.Known-m.Alive-m.Left), "dead")
}

func collectPaths(s *api.Status, e emit) {
	count := map[string]int{}
	for i := range s.Peers {
		count[s.Peers[i].Path]++
	}
	for _, path := range []string{api.PathUDP, api.PathRelay, api.PathNone} {
		e(float64(count[path]), path)
	}
}

func collectMoves(s *api.Status, e emit) {
	e(float64(s.Node.Paths.ToRelay), api.PathRelay)
	e(float64(s.Node.Paths.ToDirect), api.PathUDP)
}

func collectSeeds(s *api.Status, e emit) {
	joined := 0
	for _, seed := range s.Node.Seeds {
		if seed.State == api.SeedJoined || seed.State == api.SeedSelf {
			joined++
		}
	}
	e(float64(joined), "joined")
	e(float64(len(s.Node.Seeds)-joined), "failing")
}

func collectRoutes(s *api.Status, e emit) {
	roles := map[string]float64{}
	for _, r := range s.Node.Routes {
		roles[r.Role]++
	}
	e(roles[api.RoleActive], api.RoleActive)
	e(roles[api.RoleStandby], api.RoleStandby)
	e(roles[""], "refused")
}

func sessions(s *api.Status) (n int) {
	for i := range s.Peers {
		if s.Peers[i].Session {
			n++
		}
	}
	return n
}

func collectStreams(s *api.Status, e emit) {
	c := s.Node.Streams
	e(float64(c.Accepted), "accepted")
	e(float64(c.Garbage), "garbage")
	e(float64(c.Refused), "refused")
	e(float64(c.Busy), "busy")
	e(float64(c.Failed), "failed")
	e(float64(c.Uncertified), "uncertified")
	e(float64(c.Spliced), "spliced")
	e(float64(c.Unspliced), "unspliced")
}

func collectHandshakes(s *api.Status, e emit) {
	e(float64(s.Node.Handshakes.Answered), "answered")
	e(float64(s.Node.Handshakes.Cookies), "cookie")
}

func collectGossip(s *api.Status, e emit) {
	g := s.Node.Gossip
	e(float64(g.Transport), "transport")
	e(float64(g.Messages), "messages")
	e(float64(g.Unsent), "unsent")
}
