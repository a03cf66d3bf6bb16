package k8s

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/lab/labtest"
)

// call is one that a network policy lets through or refuses.
type call struct {
	name string
	from labtest.Place
	to   string // the set of the pods that answer; "server": that of the API
	own  bool   // a node calls a pod of its own, as the kubelet does: no policy closes that
	try  func(ctx context.Context) error
}

// callWithin bounds a call: who is refused is told so at once.
const callWithin = 3 * time.Second

// open makes the call, and reports whether it was answered, or refused; an error is neither.
func (c call) open(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	err := c.try(ctx)
	if errors.Is(err, unix.ECONNREFUSED) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.name, err)
	}
	return true, nil
}

// wrong makes the call, and says whether it is not answered, or not refused, as it shall be.
func (c call) wrong(ctx context.Context, open bool) error {
	is, err := c.open(ctx)
	if err == nil && is != open {
		err = fmt.Errorf("%s: answered: %v, want %v", c.name, is, open)
	}
	return err
}

// calls are all that are made while policies change: between all pods, from the nodes, by services from pods and from outside,
// and to the server of the API, which is no pod.
func (b *bed) calls(t *testing.T) (list []call) {
	for name, place := range b.everywhere() {
		for _, to := range b.pods {
			if place != labtest.Place(to) {
				list = append(list, directCalls(name, place, to)...)
			}
		}
	}
	var service serviceObject
	check(t, b.Get(within(t, soon), &service, "service", "closed"))
	for _, from := range b.set("second") {
		list = append(list, b.serviceCalls(from, service.Spec.ClusterIPs)...)
	}
	for _, from := range b.pods {
		list = append(list, call{name: from.Name + " to the server", from: from, to: "server", try: func(ctx context.Context) error {
			_, err := b.askServer(ctx, from)
			return err
		}})
	}
	return append(list, b.outsideCalls()...)
}

// set are the pods of a daemon set of testdata/pods.yaml, in the order of the nodes.
func (b *bed) set(name string) (list []*Pod) {
	for _, p := range b.pods {
		if strings.HasPrefix(p.Name, name+"-") {
			list = append(list, p)
		}
	}
	return list
}

// directCalls are those to each address of a pod. Between pods the source is the pod's own.
func directCalls(name string, from labtest.Place, to *Pod) (list []call) {
	set, _, _ := strings.Cut(to.Name, "-")
	for _, addr := range to.Addrs {
		list = append(list, call{
			name: fmt.Sprintf("%s to %s of %s at %s", name, to.Name, to.Node.Name(), addr),
			from: from, to: set, own: from == labtest.Place(to.Node),
			try: func(ctx context.Context) error { return askAs(ctx, from, netip.AddrPortFrom(addr, podPort)) },
		})
	}
	return list
}

// serviceCalls are those of a pod by the service of the pods 'web': by TCP, and by UDP at the port of name servers.
func (b *bed) serviceCalls(from *Pod, addrs []netip.Addr) (list []call) {
	for _, addr := range addrs {
		name := fmt.Sprintf("%s of %s to the service at %s", from.Name, from.Node.Name(), addr)
		list = append(list,
			call{name: name, from: from, to: "web", try: func(ctx context.Context) error {
				return askAs(ctx, from, netip.AddrPortFrom(addr, servicePort))
			}},
			call{name: name + " by UDP", from: from, to: "web", try: func(ctx context.Context) error {
				return echoed(ctx, from, netip.AddrPortFrom(addr, 53))
			}})
	}
	return list
}

// outsideCalls are those of the control plane's machine to a port of each node. The pods see its address.
func (b *bed) outsideCalls() (list []call) {
	for _, n := range b.Nodes {
		for _, addr := range n.Addrs() {
			to := netip.AddrPortFrom(addr, closedPort)
			list = append(list, call{name: "from outside to " + to.String(), from: b.Control, to: "web", try: func(ctx context.Context) error {
				return askAs(ctx, b.Control, to)
			}})
		}
	}
	return list
}

// askAs asks a pod's server, which shall see an address of the caller's. Of a node it may be any, as it has more than one.
func askAs(ctx context.Context, from labtest.Place, to netip.AddrPort) error {
	a, err := labtest.Ask(ctx, from, to)
	if err != nil {
		return err
	}
	var own []netip.Addr
	switch from := from.(type) {
	case *Pod:
		own = from.Addrs
	case *Node:
		return nil
	case interface{ Addrs() []netip.Addr }:
		own = from.Addrs()
	}
	if !slices.Contains(own, a.Source) {
		return fmt.Errorf("%s sees the source %s, want one of %v", a.Pod, a.Source, own)
	}
	return nil
}

// echoPort is where startEcho answers, and echo what is sent there.
const (
	echoPort = 5353
	echo     = "who is there"
)

// startEcho sends back what comes to a pod by UDP, until the test ends.
func startEcho(t *testing.T, p *Pod) {
	for _, addr := range p.Addrs {
		var conn net.PacketConn
		check(t, p.Do(func() (err error) {
			conn, err = net.ListenPacket("udp", netip.AddrPortFrom(addr, echoPort).String())
			return err
		}))
		t.Cleanup(func() { conn.Close() })
		go func() {
			buffer := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(buffer)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					_, _ = conn.WriteTo(buffer[:n], from) // who calls sees that nothing comes
				}
			}
		}()
	}
}

// echoed sends a datagram and waits until it comes back.
func echoed(ctx context.Context, from labtest.Place, to netip.AddrPort) error {
	conn, err := labtest.DialFrom(from)(ctx, "udp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(callWithin)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(echo)); err != nil {
		return err
	}
	buffer := make([]byte, 1500)
	n, err := conn.Read(buffer)
	if err == nil && string(buffer[:n]) != echo {
		err = fmt.Errorf("%q came back", buffer[:n])
	}
	return err
}
