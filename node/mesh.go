package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

func (n *Node) meshConfig() mesh.Config {
	cfg := n.config()
	return mesh.Config{
		Identity: n.identity, Boot: n.boot, Name: cfg.Name, Started: n.started, Port: n.port.Port(),
		Network: cfg.Network, Subnet: meshSubnet(cfg, n.formerSubnets()), Bootstrap: cfg.Bootstrap, Routes: cfg.Routes, Seeds: cfg.Join,
		StateDir: cfg.StateDir, Underlay: &underlay{n}, Logger: n.log, OnView: func(mesh.View) { n.changed() },
		Forbidden: n.forbidden, Movable: n.movable, Admission: n.admission,
		Lease: cfg.Lease, Present: n.present,
	}
}

// meshSubnet is what the node claims with cfg, and the former subnets in which pods live.
func meshSubnet(cfg *config.Config, former []netip.Prefix) mesh.Subnet {
	if cfg.Subnet.Auto {
		return mesh.Subnet{Kind: mesh.KindAuto, Bits4: cfg.SubnetSize[0], Bits6: cfg.SubnetSize[1]}
	}
	kind := mesh.KindStatic
	if cfg.Subnet.K8s {
		kind = mesh.KindK8s
	}
	return mesh.Subnet{Kind: kind, Prefixes: slices.Concat(cfg.Subnet.Prefixes, former)}
}

// refuseRevoked refuses to start a node that the authority has revoked, as far as its state directory knows: no other node takes it.
func (n *Node) refuseRevoked() error {
	if err := mesh.RestoreRevoked(n.config().StateDir, n.admission); err != nil {
		return err
	}
	refused := new(trust.NotAdmittedError)
	err := n.admission.Standing(n.identity.Fingerprint(), n.admission.Own(), n.started)
	if !errors.As(err, &refused) || refused.Reason != trust.ReasonRevoked {
		return nil
	}
	why := strings.Replace(refused.Error(), "has revoked its", "has revoked this node's", 1)
	remedy := strings.Replace(n.certificateRemedy(refused), "run 'weft reload'", "start again", 1)
	return n.config().Placed(config.KeyErrorf("authority", "no other node takes this one, %s: %s", why, remedy))
}

// movable reports whether our automatic subnets may be given up for others: nothing but weft's device lives in them. The kernel
// says so also before the first plan: pods outlive a restart.
func (n *Node) movable(subnets []netip.Prefix) bool {
	return !n.platform.Kernel.InUse(subnets, n.config().Device)
}

func (n *Node) newStreams() *encap.Streams {
	return encap.NewStreams(encap.StreamsConfig{
		Local: n.local, Boot: n.boot, Started: n.started, Port: n.port.Port(), Dialer: n.platform.Dialer,
		OnRefused: n.onRefused, Admission: n.admission, Way: n.splicing.way,
	})
}

func (n *Node) acceptStream(s *encap.Stream) { n.mesh.Accept(&meshStream{s}) }

// meshStream is an encap.Stream as the mesh sees it.
type meshStream struct{ *encap.Stream }

// Remote implements mesh.Stream.
func (s *meshStream) Remote() mesh.Remote {
	hello := s.Stream.Remote()
	return mesh.Remote{
		ID: hello.Keys.Fingerprint(), Keys: hello.Keys, Boot: hello.Boot, Name: hello.Name, Uptime: hello.Uptime,
		Addr: netip.AddrPortFrom(s.Stream.Addr().Addr(), hello.Port), Observed: hello.Observed,
	}
}

// underlay carries the mesh's gossip over the node's port.
type underlay struct{ n *Node }

// SendGossip implements mesh.Underlay.
func (u *underlay) SendGossip(to trust.Fingerprint, at []netip.AddrPort, packet []byte) error {
	return u.n.router.SendGossip(to, u.n.underlayOnly(at), packet)
}

// DialGossip implements mesh.Underlay: it calls all addresses at once and takes the first that answers; where none does, it has a
// peer join a stream.
func (u *underlay) DialGossip(ctx context.Context, to trust.Fingerprint, at []netip.AddrPort) (mesh.Stream, error) {
	s, err := u.n.splicing.dial(ctx, to, u.n.underlayOnly(at))
	if err != nil {
		return nil, err
	}
	return &meshStream{s}, nil
}

type dialed struct {
	stream *encap.Stream
	err    error
}

// dialFirst calls all addresses at once and takes the first stream: of the node to, or, where that is zero, of whoever answers.
func (n *Node) dialFirst(ctx context.Context, to trust.Fingerprint, at []netip.AddrPort) (*encap.Stream, error) {
	if len(at) == 0 {
		return nil, fmt.Errorf("node: no underlay address to call")
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan dialed, len(at))
	for _, addr := range at {
		go func() {
			s, err := n.streams.Dial(ctx, addr)
			if refused := new(encap.RefusedError); errors.As(err, &refused) {
				n.onRefused(refused)
			}
			if s != nil && !to.IsZero() && s.Remote().Keys.Fingerprint() != to { // behind NATs many have the same address
				s.Close()
				s, err = nil, fmt.Errorf("node: %s answers at %s", s.Remote().Name, addr)
			}
			results <- dialed{s, err}
		}()
	}
	var first error
	for i := range at {
		r := <-results
		if r.err == nil {
			cancel()
			go closeRest(results, len(at)-i-1)
			return r.stream, nil
		}
		if first == nil {
			first = r.err
		}
	}
	cancel()
	return nil, first
}

func closeRest(results <-chan dialed, left int) {
	for range left {
		if r := <-results; r.stream != nil {
			r.stream.Close()
		}
	}
}

// underlayOnly leaves out addresses of the overlay: calling a peer through itself would go in circles.
func (n *Node) underlayOnly(at []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(at), func(a netip.AddrPort) bool { return n.config().InNetwork(a.Addr()) })
}
