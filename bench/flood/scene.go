package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/attack"
	"github.com/weftnet/weft/lab/cluster"
	"github.com/weftnet/weft/trust"
)

const (
	overlay    = "10.90.0.0/16"
	port       = 9338  // where weft listens
	frameCount = 16384 // other frames before the first comes again
	sources    = 64    // addresses of the third host
	reachable  = 20 * time.Second
)

// scene is two nodes, and the frames that a third host sends to one of them.
type scene struct {
	*cluster.Cluster
	options
	from, to *cluster.Node
	addr     netip.Addr // of to, in the overlay
	wire     *attack.Wire
	frames   [][]byte

	transfers int // so far
}

// newScene starts the nodes, waits until they reach each other, and makes the frames.
func newScene(ctx context.Context, o options) (_ *scene, err error) {
	l, err := lab.New(ctx, lab.Options{})
	if err != nil {
		return nil, fmt.Errorf("flood: %w", err)
	}
	s := &scene{options: o}
	s.Cluster = cluster.On(l, cluster.Options{Binary: o.binary, Network: []string{overlay}, Flags: []string{"--encryption", "on"}})
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("flood: %w", err), l.Close())
		}
	}()
	if err := s.startNodes(ctx); err != nil {
		return nil, err
	}
	stranger, err := s.stranger(ctx)
	if err != nil {
		return nil, err
	}
	if s.wire, err = attack.Tap(l, s.to.Host); err != nil {
		return nil, err
	}
	return s, s.makeFrames(stranger)
}

// Close removes the lab.
func (s *scene) Close() error { return errors.Join(s.wire.Close(), s.Cluster.Close()) }

func (s *scene) startNodes(ctx context.Context) (err error) {
	if s.from, err = s.Add(ctx); err != nil {
		return err
	}
	if s.to, err = s.Add(ctx); err != nil {
		return err
	}
	if err := s.UpAll(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reachable)
	defer cancel()
	if err := s.AwaitAll(ctx); err != nil {
		return err
	}
	addrs, err := s.to.Addresses(ctx)
	if err == nil {
		s.addr = addrs[0]
	}
	return err
}

// stranger makes the third host, and returns its addresses.
func (s *scene) stranger(ctx context.Context) (addrs []netip.Addr, err error) {
	h, err := s.Host("stranger")
	if err != nil {
		return nil, err
	}
	addr := netip.MustParseAddr("192.0.2.100")
	for range sources {
		if _, err := h.Run(ctx, "ip", "addr", "add", addr.String()+"/24", "dev", "eth0"); err != nil {
			return nil, err
		}
		addrs, addr = append(addrs, addr), addr.Next()
	}
	return addrs, nil
}

// makeFrames makes the frames of the flood: of every four, three carry the cluster's mark, and one is random behind its head.
func (s *scene) makeFrames(from []netip.Addr) error {
	secret, keys, err := s.stolen()
	if err != nil {
		return err
	}
	list, err := attack.Initiations(secret, keys, encap.Settings{
		Network: []netip.Prefix{netip.MustParsePrefix(overlay)}, Encryption: true, MinVersion: encap.Version, MaxVersion: encap.Version, Lanes: 1,
		Ciphers: encap.PreferredCiphers(),
	}, frameCount)
	if err != nil {
		return err
	}
	datagrams := make([]attack.Datagram, len(list))
	to := netip.AddrPortFrom(s.to.Addr4(), port)
	for i, frame := range list {
		if i%4 == 3 {
			for at := encap.HeaderLen; at < len(frame); at++ {
				frame[at] = byte(rand.Uint32())
			}
		}
		datagrams[i] = attack.Datagram{From: netip.AddrPortFrom(from[i%len(from)], uint16(1024+i)), To: to, Payload: frame}
	}
	s.frames = s.wire.Ethernet(datagrams...)
	return nil
}

// stolen is the cluster's secret, and the keys of the node that is attacked.
func (s *scene) stolen() (secret trust.Secret, keys trust.PublicKeys, err error) {
	text, err := os.ReadFile(filepath.Join(s.to.Dir(), "secret"))
	if err != nil {
		return secret, keys, err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if secret, err = trust.ParseSecret(first); err != nil {
		return secret, keys, err
	}
	seed, err := os.ReadFile(filepath.Join(s.to.StateDir(), trust.IdentityFile))
	if err != nil {
		return secret, keys, err
	}
	id, err := trust.NewIdentity(seed)
	if err != nil {
		return secret, keys, err
	}
	return secret, id.Public(), nil
}
