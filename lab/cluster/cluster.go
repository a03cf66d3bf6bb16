// Package cluster runs weft on the virtual hosts of a lab: one real daemon for each host, set up with the commands that
// a user would type. The demo, the end-to-end tests and the bench share it.
//
// Words. A Node is a host of the lab with a weft of its own: configuration, state and socket lie in the host's
// directory, so that many can run on one machine.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/weftnet/weft/lab"
)

// Options say what kind of cluster to make. The zero value of a field takes weft's own default.
type Options struct {
	Binary  string                // weft's executable
	Hosts   int                   // how many; named vm-1, vm-2 and so on
	Network []string              // the overlay's prefixes
	Flags   []string              // further flags of 'weft init' and 'weft join' on every host
	Prepare func(*lab.Host) error // called for every host before it is set up; may be nil
	Lab     lab.Options
}

// Cluster is a lab with a node on each host.
type Cluster struct {
	*lab.Lab
	Nodes   []*Node
	options Options
	token   string
}

// New makes the lab and sets every host up; no daemon runs yet. Close removes everything.
func New(ctx context.Context, o Options) (*Cluster, error) {
	l, err := lab.New(ctx, o.Lab)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Lab: l, options: o}
	for range o.Hosts {
		if _, err := c.Add(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return c, nil
}

// On makes a cluster without nodes on a lab that is there already: Adopt gives it nodes. Options.Hosts and Options.Lab are
// not used; Close closes the lab.
func On(l *lab.Lab, o Options) *Cluster { return &Cluster{Lab: l, options: o} }

// Add makes one more host and sets it up.
func (c *Cluster) Add(ctx context.Context, flags ...string) (*Node, error) {
	host, err := c.Host(fmt.Sprintf("vm-%d", len(c.Nodes)+1))
	if err != nil {
		return nil, err
	}
	return c.Adopt(ctx, host, flags...)
}

// Adopt sets a host of the cluster's lab up: the first with 'weft init', the others with 'weft join' and the first one's
// token. flags are further flags of that command on this host.
func (c *Cluster) Adopt(ctx context.Context, host *lab.Host, flags ...string) (*Node, error) {
	if c.options.Prepare != nil {
		if err := c.options.Prepare(host); err != nil {
			return nil, fmt.Errorf("cluster: prepare %s: %w", host.Name(), err)
		}
	}
	n := &Node{Host: host, binary: c.options.Binary}
	if err := c.setUp(ctx, n, flags); err != nil {
		return nil, fmt.Errorf("cluster: set up %s: %w", host.Name(), err)
	}
	c.Nodes = append(c.Nodes, n)
	return n, nil
}

func (c *Cluster) setUp(ctx context.Context, n *Node, flags []string) error {
	flags = append(n.pathFlags(), append(c.options.Flags, flags...)...)
	if c.token != "" {
		_, err := n.RunCommand(ctx, lab.Command{
			Args: append([]string{n.binary, "join"}, flags...), Stdin: strings.NewReader(c.token),
		})
		return err
	}
	args := append([]string{n.binary, "init"}, flags...)
	if len(c.options.Network) > 0 {
		args = append(args, "--network", strings.Join(c.options.Network, ","))
	}
	token, err := n.Run(ctx, args...)
	c.token = strings.TrimSpace(token)
	return err
}

// Token is what further hosts join with.
func (c *Cluster) Token() string { return c.token }

// UpAll starts every daemon that does not run.
func (c *Cluster) UpAll() error {
	for _, n := range c.Nodes {
		if err := n.Up(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitAll waits until every running node has its own subnets, a path to every other running node, and knows its subnets.
func (c *Cluster) AwaitAll(ctx context.Context) error {
	var running []*Node
	for _, n := range c.Nodes {
		if n.Running() {
			running = append(running, n)
		}
	}
	for _, n := range running {
		if _, err := n.Addresses(ctx); err != nil {
			return err
		}
		for _, peer := range running {
			if n == peer {
				continue
			}
			if err := n.AwaitReachable(ctx, peer.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// poll calls ready every 20 ms until it is true; what it returns otherwise is the reason given when ctx ends.
func poll(ctx context.Context, ready func() (bool, string)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, why := ready()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), why)
		case <-tick.C:
		}
	}
}

// podAddr is the address of pod number i of a subnet: the tenth and following.
func podAddr(subnet netip.Prefix, i int) netip.Prefix {
	a := subnet.Masked().Addr()
	for range 10 + i {
		a = a.Next()
	}
	return netip.PrefixFrom(a, subnet.Bits())
}
