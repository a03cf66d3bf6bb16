package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/node/api"
)

// Node is a host of the lab with a weft of its own.
type Node struct {
	*lab.Host
	binary  string
	through []string
	daemon  *lab.Process
}

// Through makes Up start the daemon by a command that executes its last arguments, such as nsenter or setpriv.
func (n *Node) Through(command ...string) { n.through = command }

// Config is the path of the node's configuration file.
func (n *Node) Config() string { return filepath.Join(n.Dir(), "weft.yaml") }

// Socket is the path of the daemon's control socket.
func (n *Node) Socket() string { return filepath.Join(n.Dir(), "run", "weft.sock") }

// StateDir is the daemon's state directory.
func (n *Node) StateDir() string { return filepath.Join(n.Dir(), "state") }

func (n *Node) pathFlags() []string {
	return []string{
		"--config", n.Config(), "--secret-file", filepath.Join(n.Dir(), "secret"),
		"--state-dir", n.StateDir(), "--run-dir", filepath.Join(n.Dir(), "run"),
	}
}

// Up starts the daemon, if it does not run, and returns at once. flags are further flags of 'weft up'.
func (n *Node) Up(flags ...string) error {
	if n.Running() {
		return nil
	}
	p, err := n.Start(slices.Concat(n.through, []string{n.binary, "up", "--config", n.Config()}, flags)...)
	if err != nil {
		return fmt.Errorf("cluster: start weft on %s: %w", n.Name(), err)
	}
	n.daemon = p
	return nil
}

// Running reports whether the daemon runs.
func (n *Node) Running() bool {
	if n.daemon == nil {
		return false
	}
	select {
	case <-n.daemon.Done():
		return false
	default:
		return true
	}
}

// Daemon is the process of the latest Up; nil before.
func (n *Node) Daemon() *lab.Process { return n.daemon }

// Kill ends the daemon with SIGKILL and waits for its end.
func (n *Node) Kill(ctx context.Context) error {
	n.daemon.Kill()
	err := n.daemon.Wait(ctx)
	if exit := new(lab.ExitError); errors.As(err, &exit) {
		return nil
	}
	return err
}

// Stop ends the daemon with SIGTERM and waits for its end.
func (n *Node) Stop(ctx context.Context) error {
	if err := n.daemon.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return n.daemon.Wait(ctx)
}

// Weft runs a weft command on the host, with the node's socket where the command takes one.
func (n *Node) Weft(ctx context.Context, args ...string) (string, error) {
	return n.Run(ctx, append([]string{n.binary}, args...)...)
}

// Status asks the daemon for its state.
func (n *Node) Status(ctx context.Context) (*api.Status, error) {
	return api.NewClient(n.Socket()).Status(ctx)
}

// AwaitStatus waits until the daemon's state is as ready wants; ready returns why it is not.
func (n *Node) AwaitStatus(ctx context.Context, ready func(*api.Status) (bool, string)) error {
	err := poll(ctx, func() (bool, string) {
		if !n.Running() {
			return false, "the daemon does not run: " + n.lastLine()
		}
		s, err := n.Status(ctx)
		if err != nil {
			return false, err.Error()
		}
		return ready(s)
	})
	if err != nil {
		return fmt.Errorf("cluster: %s: %w", n.Name(), err)
	}
	return nil
}

func (n *Node) lastLine() string {
	text, err := n.daemon.Stderr()
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// AwaitPeer waits until the node shows a peer of that name in that state.
func (n *Node) AwaitPeer(ctx context.Context, name, state string) error {
	return n.AwaitStatus(ctx, func(s *api.Status) (bool, string) {
		for _, p := range s.Peers {
			if p.Name == name {
				return p.State == state, fmt.Sprintf("%s is %s: %s %v", name, p.State, p.Reason, p.Tried)
			}
		}
		return false, fmt.Sprintf("%s is not known", name)
	})
}

// AwaitReachable waits until the node has a path to the peer of that name and knows the peer's address.
func (n *Node) AwaitReachable(ctx context.Context, name string) error {
	return n.AwaitStatus(ctx, func(s *api.Status) (bool, string) {
		for _, p := range s.Peers {
			if p.Name == name {
				return p.State == api.StateUp && len(p.Addrs) > 0, fmt.Sprintf("%s is %s: %s %v", name, p.State, p.Reason, p.Tried)
			}
		}
		return false, fmt.Sprintf("%s is not known", name)
	})
}

// Addresses are the node's own overlay addresses; it waits until there are some.
func (n *Node) Addresses(ctx context.Context) ([]netip.Addr, error) {
	var addrs []netip.Addr
	err := n.AwaitStatus(ctx, func(s *api.Status) (bool, string) {
		addrs = s.Node.Addresses
		return len(addrs) > 0, "it has no subnet: " + s.Node.SubnetNote
	})
	return addrs, err
}

// AddPod makes a pod behind the host's bridge, with an address of each of the node's subnets and the overlay's MTU.
func (n *Node) AddPod(ctx context.Context, name string) (*lab.Pod, error) {
	if _, err := n.Addresses(ctx); err != nil {
		return nil, err
	}
	s, err := n.Status(ctx)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Prefix
	for _, subnet := range s.Node.Subnets {
		addrs = append(addrs, podAddr(subnet, len(n.Pods())))
	}
	return n.Pod(name, addrs, s.Node.Device.MTU)
}
