// Package demo shows weft's main job on virtual hosts of this machine: hosts become one network and carry real traffic.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
)

// Options say how to run the demo.
type Options struct {
	Binary string    // weft's executable
	Keep   bool      // leave the network standing at the end
	Flags  []string  // further flags of 'weft init' and 'weft join', for all hosts
	Out    io.Writer // progress and results
}

const (
	hosts        = 3
	patience     = 30 * time.Second // for any one step
	transferSize = 256 << 20        // bytes
	iperfSeconds = 5
)

// ErrPrivileges says that the demo cannot make network namespaces.
var ErrPrivileges = errors.New("the demo makes network namespaces, and that needs root: run it with sudo")

// ErrMissing says that a program is not installed.
var ErrMissing = errors.New("a program that the demo needs is not installed: run 'make demo', or scripts/setup.sh")

// ErrInterrupted says that ctx ended before the demo did, and that nothing is left of it.
var ErrInterrupted = errors.New("interrupted; everything is removed")

// Run runs the demo. Whatever happens, it leaves nothing behind, but for the network itself with Keep. It ends early with
// ctx, and when a write to Out fails.
func Run(ctx context.Context, o Options) error {
	if err := possible(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := &screen{to: o.Out, stop: stop}
	o.Out = out
	d := &show{Options: o, started: time.Now(), screen: out}
	err := d.run(ctx)
	if ctx.Err() == nil || err == nil {
		return err
	}
	if left := leftovers(); left != nil {
		return errors.Join(left, err)
	}
	if out.err != nil {
		return fmt.Errorf("stopped, since the output goes nowhere (%w); everything is removed", out.err)
	}
	return ErrInterrupted
}

func possible() error {
	if os.Geteuid() != 0 {
		return ErrPrivileges
	}
	for _, program := range []string{"ping", "iperf3"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w (%s)", ErrMissing, program)
		}
	}
	return nil
}

// leftovers says what this process has not removed.
func leftovers() error {
	runs, err := lab.Runs()
	for _, run := range runs {
		if run.Owner == os.Getpid() && !run.Kept {
			err = errors.Join(err, fmt.Errorf("lab %s is not removed: the next 'weft demo' will try again", run.ID))
		}
	}
	return err
}

// run makes the network, plays the scenes and takes the network down.
func (d *show) run(ctx context.Context) (err error) {
	swept, err := lab.Sweep()
	if err != nil {
		return err
	}
	if len(swept) > 0 {
		d.say("removed what an earlier, interrupted run left: %v", swept)
	}
	c, err := cluster.New(ctx, cluster.Options{
		Binary: d.Binary, Hosts: hosts, Flags: d.Flags, Lab: lab.Options{Keep: d.Keep},
		Network: []string{"10.244.0.0/16", "fd10:244::/48"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.end(c, err)) }()
	d.cluster = c
	return d.play(ctx)
}

// show is one run of the demo.
type show struct {
	Options
	started time.Time
	screen  *screen // what Out is
	cluster *cluster.Cluster
	pods    []*lab.Pod
}

func (d *show) play(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{d.join, d.status, d.makePods, d.ping, d.transfer, d.speed, d.crash} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// say prints one line of progress with the time since the start.
func (d *show) say(format string, args ...any) {
	fmt.Fprintf(d.Out, "%5.1fs  %s\n", time.Since(d.started).Seconds(), fmt.Sprintf(format, args...))
}

// end tears the network down, or says how to look around in it.
func (d *show) end(c *cluster.Cluster, failed error) error {
	if d.Keep && failed == nil {
		d.guide(c)
		if d.screen.err == nil {
			return c.Keep()
		}
		failed = d.screen.err // nobody could find out what to remove
	}
	if err := c.Close(); err != nil {
		return err
	}
	if failed == nil {
		d.say("everything is removed again; that was it")
	}
	return d.screen.err
}

func (d *show) guide(c *cluster.Cluster) {
	n := c.Nodes[0]
	ns := func(name string) string { return "ip netns exec " + name }
	d.say("the network stays up. Look around, as root:")
	fmt.Fprintf(d.Out, `
    %s %s status --socket %s
    %s %s routes --socket %s
    %s ip route
    %s ping %s
    %s demo --remove %s        # when you are done
`, ns(n.FullName()), d.Binary, n.Socket(), ns(n.FullName()), d.Binary, n.Socket(), ns(n.FullName()),
		ns(d.pods[0].FullName()), d.pods[1].Addr4(), d.Binary, c.ID())
}
