package k8s

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/cri"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// closedPort is the port of the service below on all nodes.
const closedPort = 30082

// closedService leads to the pods that policies close: those of the set 'web'.
const closedService = `
apiVersion: v1
kind: Service
metadata: {name: closed}
spec:
  type: NodePort
  selector: {set: web}
  ipFamilyPolicy: PreferDualStack
  externalTrafficPolicy: Local
  ports:
    - {name: web, port: 80, targetPort: 8080, nodePort: 30082}
    - {name: echo, port: 53, targetPort: 5353, protocol: UDP}
`

// policy is the network policy 'test', of the pods of a set.
func policy(set, direction, rule string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: test}
spec: {podSelector: {matchLabels: {set: %s}}, policyTypes: [%s], %s: [%s]}
`, set, direction, strings.ToLower(direction), rule)
}

// toCaller is a policy that lets the pod with the label caller through, to two ports.
func toCaller(tcp, udp int) string {
	return policy("web", "Ingress", fmt.Sprintf(
		"{from: [{podSelector: {matchLabels: {caller: 'yes'}}}], ports: [{port: %d}, {port: %d, protocol: UDP}]}", tcp, udp))
}

// blocks are addresses as a rule names them.
func blocks(addrs ...netip.Addr) string {
	var list []string
	for _, addr := range addrs {
		list = append(list, fmt.Sprintf("{ipBlock: {cidr: '%s/%d'}}", addr, addr.BitLen()))
	}
	return strings.Join(list, ", ")
}

// closing is a bed whose pods network policies close, and all calls that are made meanwhile.
type closing struct {
	*bed
	calls []call
}

// testPolicies closes and opens pods by k3s's controller of network policies. Each step differs from the one before.
func (b *bed) testPolicies(t *testing.T) {
	c := newClosing(t, b)
	caller, other := labtest.Place(b.set("second")[0]), labtest.Place(b.set("second")[1])
	for _, step := range []struct {
		name, policy string
		open         func(call) bool
	}{
		{"a policy without rules closes", policy("web", "Ingress", ""), only()},
		{"a pod is let through by its label", policy("web", "Ingress", "{from: [{podSelector: {matchLabels: {caller: 'yes'}}}]}"), only(caller)},
		{"its ports are others", toCaller(podPort+1, echoPort+1), only()},
		{"a pod and a client outside are let through by their addresses",
			policy("web", "Ingress", "{from: ["+blocks(slices.Concat(other.(*Pod).Addrs, b.Control.Addrs())...)+"]}"), only(other, b.Control)},
		{"pods may call others", policy("second", "Egress", "{to: [{podSelector: {matchLabels: {set: web}}}]}"), secondTo("web")},
		{"pods may call what is no pod", policy("second", "Egress", "{to: ["+blocks(b.Control.Addrs()...)+"], ports: [{port: 6443}]}"), secondTo("server")},
	} {
		t.Run(step.name, func(t *testing.T) {
			check(t, b.Apply(within(t, soon), step.policy))
			c.await(t, step.open)
		})
	}
	t.Run("what is closed stays closed while daemons restart", func(t *testing.T) {
		check(t, b.Apply(within(t, soon), toCaller(podPort, echoPort)))
		c.await(t, only(caller))
		c.testRestarts(t, only(caller))
	})
	t.Run("nothing of weft's is degraded", b.testHealthy)
	t.Run("what is taken away closes nothing", func(t *testing.T) {
		_, err := b.Kubectl(within(t, soon), "delete", "networkpolicy", "test")
		check(t, err)
		c.await(t, func(call) bool { return true })
	})
}

// unlimited has a node say each time that it refuses a packet: by default it does so once in a second for each caller.
const unlimited = "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit"

// newClosing makes what the policies are about. All calls are answered then.
func newClosing(t *testing.T, b *bed) *closing {
	t.Helper()
	check(t, b.Apply(within(t, soon), closedService))
	_, err := b.Kubectl(within(t, soon), "label", "pod", b.set("second")[0].Name, "caller=yes")
	check(t, err)
	for _, p := range b.set("web") {
		startEcho(t, p)
	}
	for _, n := range b.Nodes {
		_, err := n.Run(within(t, soon), "sh", "-ec", unlimited)
		check(t, err)
	}
	c := &closing{bed: b, calls: b.calls(t)}
	c.await(t, func(call) bool { return true })
	return c
}

// testHealthy shows that weft finds nothing wrong with what the controllers have made.
func (b *bed) testHealthy(t *testing.T) {
	for _, n := range b.Nodes {
		s, err := api.NewClient(n.Path(weftSocket)).Status(within(t, soon))
		check(t, err)
		if len(s.Node.Degraded) > 0 {
			t.Errorf("%s: degraded: %v", n.Name(), s.Node.Degraded)
		}
		if out, err := n.Run(within(t, soon), weftProgram, "doctor"); err != nil {
			t.Errorf("%s: %v\n%s", n.Name(), err, out)
		}
	}
}

// only says which calls are answered when the pods 'web' let through nobody else.
func only(who ...labtest.Place) func(call) bool {
	return func(c call) bool { return c.to != "web" || c.own || slices.Contains(who, c.from) }
}

// secondTo says which calls are answered when the pods 'second' may call nobody else.
func secondTo(set string) func(call) bool {
	return func(c call) bool {
		from, ok := c.from.(*Pod)
		return !ok || !strings.HasPrefix(from.Name, "second-") || c.to == set
	}
}

// await waits until all calls are answered or refused as they shall be.
func (c *closing) await(t *testing.T, open func(call) bool) {
	t.Helper()
	ctx := within(t, soon)
	var wrong error
	check(t, cri.Poll(ctx, func() error {
		if now := c.wrong(ctx, open); ctx.Err() == nil { // else it is cut off
			wrong = now
		}
		return wrong
	}))
}

// wrong makes all calls at once, and names some that are not answered or refused as they shall be; nil: there are none. A pod that its own
// node refuses learns it a second later: the answer is there before the kernel has done with sending.
func (c *closing) wrong(ctx context.Context, open func(call) bool) error {
	list := make([]error, len(c.calls))
	var running sync.WaitGroup
	for i, call := range c.calls {
		running.Go(func() { list[i] = call.wrong(ctx, open(call)) })
	}
	running.Wait()
	list = slices.DeleteFunc(list, func(err error) bool { return err == nil })
	return errors.Join(list[:min(len(list), 3)]...)
}

// testRestarts restarts the network's daemons and the controllers, and has a firewall that drops what nobody lets pass. What policies
// close is called all the while, and never answered.
func (c *closing) testRestarts(t *testing.T, open func(call) bool) {
	stop := c.hammer(t, open)
	defer stop()
	if p, ok := c.plugin.(restarter); ok {
		for _, n := range c.Nodes {
			p.stop(t, n)
			p.start(t, n)
		}
	}
	for _, n := range c.Nodes {
		check(t, n.Terminate(within(t, soon), n.policies))
		check(t, n.startPolicies())
	}
	for _, verdict := range []string{"DROP", "ACCEPT"} {
		for _, n := range c.Nodes {
			_, err := n.Run(within(t, soon), "sh", "-ec", "iptables -P FORWARD "+verdict+"; ip6tables -P FORWARD "+verdict)
			check(t, err)
		}
		c.await(t, open)
	}
}

// hammer makes the calls that are closed again and again until stop, which says which of them were answered.
func (c *closing) hammer(t *testing.T, open func(call) bool) (stop func()) {
	ctx := within(t, clusterWithin)
	done := make(chan struct{})
	var running sync.WaitGroup
	for _, call := range c.calls {
		if open(call) {
			continue
		}
		running.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for refused := 0; ; {
				is, err := call.open(ctx)
				if is {
					t.Errorf("%s: answered after it was refused %d times", call.name, refused)
					return
				}
				if err == nil {
					refused++
				}
				select {
				case <-done:
					if refused == 0 {
						t.Errorf("%s: was never refused: %v", call.name, err)
					}
					return
				case <-tick.C:
				}
			}
		})
	}
	return func() {
		close(done)
		running.Wait()
	}
}
