package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// join starts the daemons and waits until all reach each other.
func (d *show) join(ctx context.Context) error {
	c := d.cluster
	d.say("%d virtual hosts on one underlay: %s", len(c.Nodes), d.describe())
	d.say("vm-1 was set up with 'weft init'; vm-2 and vm-3 with 'weft join TOKEN'")
	if err := c.UpAll(); err != nil {
		return err
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := c.AwaitAll(ctx); err != nil {
		return err
	}
	d.say("'weft up' on all three: everybody reaches everybody %d ms after the last start", time.Since(started).Milliseconds())
	return nil
}

func (d *show) describe() string {
	var hosts []string
	for _, n := range d.cluster.Nodes {
		hosts = append(hosts, fmt.Sprintf("%s %s", n.Name(), n.Addr4()))
	}
	return strings.Join(hosts, ", ")
}

// status shows what an operator sees.
func (d *show) status(ctx context.Context) error {
	n := d.cluster.Nodes[0]
	text, err := n.Weft(ctx, "status", "--socket", n.Socket())
	if err != nil {
		return err
	}
	d.say("'weft status' on vm-1:\n")
	for line := range strings.Lines(text) {
		fmt.Fprint(d.Out, "        ", line)
	}
	fmt.Fprintln(d.Out)
	return nil
}

func (d *show) makePods(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var names []string
	for i, n := range d.cluster.Nodes {
		pod, err := n.AddPod(ctx, fmt.Sprintf("pod-%d", i+1))
		if err != nil {
			return err
		}
		d.pods = append(d.pods, pod)
		names = append(names, fmt.Sprintf("%s %s", pod.Name(), pod.Addr4()))
	}
	d.say("a pod on each host, behind a bridge: %s", strings.Join(names, ", "))
	return nil
}

// ping sends from every pod to every other pod, over IPv4 and IPv6.
func (d *show) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pairs := 0
	for _, from := range d.pods {
		for _, to := range d.pods {
			if from == to {
				continue
			}
			for _, addr := range []netip.Addr{to.Addr4(), to.Addr6()} {
				if _, err := from.Run(ctx, "ping", "-n", "-c", "2", "-i", "0.1", "-W", "2", addr.String()); err != nil {
					return fmt.Errorf("ping from %s to %s at %s: %w", from.Name(), to.Name(), addr, err)
				}
			}
			pairs++
		}
	}
	d.say("ping: all %d pairs of pods reach each other, over IPv4 and IPv6", pairs)
	return nil
}

// transfer sends random bytes from the first pod to the second and compares their SHA-256 at both ends.
func (d *show) transfer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	t, err := transfer(ctx, d.pods[0], d.pods[1], transferSize)
	if err != nil {
		return err
	}
	d.say("%d MiB of random bytes from %s to %s in %.1f s: SHA-256 %x… at both ends", transferSize>>20,
		d.pods[0].Name(), d.pods[1].Name(), t.took.Seconds(), t.sum[:8])
	return nil
}

// speed measures TCP between two pods with iperf3.
func (d *show) speed(ctx context.Context) error {
	d.say("iperf3 from %s to %s, %d s …", d.pods[1].Name(), d.pods[2].Name(), iperfSeconds)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	to := d.pods[2].Addr4().String()
	server, err := d.pods[2].Start("iperf3", "-s", "-1", "-B", to)
	if err != nil {
		return err
	}
	defer server.Kill()
	rate, err := d.iperf(ctx, to)
	if err != nil {
		return err
	}
	d.say("iperf3: %.2f Gbit/s, one TCP stream, %s", rate/1e9, d.how(ctx))
	return nil
}

// iperfReport is what the demo reads of 'iperf3 -J'.
type iperfReport struct {
	Error string `json:"error"`
	End   struct {
		Received struct {
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

// iperf runs the client and returns bits per second as received. It tries again while the server is not listening yet.
func (d *show) iperf(ctx context.Context, to string) (float64, error) {
	for {
		text, runErr := d.pods[1].Run(ctx, "iperf3", "-c", to, "-t", fmt.Sprint(iperfSeconds), "-J")
		var report iperfReport
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			return 0, fmt.Errorf("read iperf3's report: %w", errors.Join(runErr, err))
		}
		switch {
		case report.Error == "" && runErr == nil:
			return report.End.Received.BitsPerSecond, nil
		case ctx.Err() != nil || !strings.Contains(report.Error, "refused"):
			return 0, fmt.Errorf("iperf3: %s: %w", report.Error, errors.Join(runErr, ctx.Err()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// how says by which cipher and driver the traffic goes.
func (d *show) how(ctx context.Context) string {
	s, err := d.cluster.Nodes[1].Status(ctx)
	if err != nil || len(s.Peers) == 0 {
		return "unknown"
	}
	seal := "in clear"
	if s.Peers[0].Sealed {
		seal = "sealed with " + s.Peers[0].Cipher
	}
	return fmt.Sprintf("%s, driver %s", seal, s.Node.Device.Driver)
}

// crash kills a daemon, shows that the others notice, and lets it come back.
func (d *show) crash(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	victim, others := d.cluster.Nodes[2], d.cluster.Nodes[:2]
	traffic, err := d.pods[0].Start("ping", "-n", "-q", "-i", "0.2", d.pods[2].Addr4().String())
	if err != nil {
		return err
	}
	defer traffic.Kill()
	started := time.Now()
	if err := victim.Kill(ctx); err != nil {
		return err
	}
	if err := others[0].AwaitPeer(ctx, victim.Name(), "down"); err != nil {
		return err
	}
	d.say("kill -9 of weft on %s: vm-1 withdrew its routes after %.1f s", victim.Name(), time.Since(started).Seconds())
	if err := victim.Up(); err != nil {
		return err
	}
	started = time.Now()
	for _, n := range others {
		if err := n.AwaitPeer(ctx, victim.Name(), "up"); err != nil {
			return err
		}
	}
	d.say("%s started again: reached by all after %d ms", victim.Name(), time.Since(started).Milliseconds())
	_ = traffic.Signal(syscall.SIGINT) // it may have ended
	return d.ping(ctx)
}
