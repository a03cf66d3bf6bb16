package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weftnet/weft/node/api"
)

func printStatus(w io.Writer, s *api.Status) error {
	n := &s.Node
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", key, fmt.Sprintf(format, args...)) }
	row("node", "%s (%s), weft %s, up %s", n.Name, n.ID[:16], n.Version, span(time.Since(n.Started)))
	row("network", "%s, encryption %s", list(n.Network), encryptionText(s))
	row("subnet", "%s", subnetText(n))
	for _, text := range podsText(&n.Pods) {
		row("pods", "%s", text)
	}
	row("secret", "%s", secretText(n))
	row("device", "%s, mtu %d, driver %s: %s", n.Device.Name, n.Device.MTU, n.Device.Driver, n.Device.Why)
	row("listen", "%s, UDP and TCP; buffers %s in, %s out", n.Listen, size(n.Socket.ReceiveBuffer), size(n.Socket.SendBuffer))
	for _, b := range n.Routes {
		row("route", "%s: %s", b.Prefix, behindText(b))
	}
	for _, a := range n.Advertised {
		row("advertised", "%s: %s", a.Endpoint, a.Why)
	}
	for _, s := range n.Translated {
		row("seen as", "%s by %s: translated on the way (NAT)", s.Endpoint, counted(uint64(s.Peers), "peer"))
	}
	row("traffic", "%d packets out, %d in; dropped %s", n.Sent.Packets, n.Received.Packets, drops(n.Drops))
	if n.Relayed.Packets > 0 {
		row("relayed", "%d frames of other nodes (%s)", n.Relayed.Packets, size(int(n.Relayed.Bytes)))
	}
	if n.Socket.Overflow > 0 {
		row("lost", "%d datagrams: the receive buffer of %s was full", n.Socket.Overflow, size(n.Socket.ReceiveBuffer))
	}
	if refused := n.Streams.Garbage + n.Streams.Refused + n.Streams.Failed; refused > 0 {
		row("streams", "%d accepted; %d garbage, %d refused, %d failed", n.Streams.Accepted, n.Streams.Garbage, n.Streams.Refused, n.Streams.Failed)
	}
	if n.Streams.Spliced+n.Streams.Unspliced > 0 {
		row("joined", "%d streams of others (%s), %d asked for in vain", n.Streams.Spliced, size(int(n.Streams.SplicedBytes)), n.Streams.Unspliced)
	}
	if n.Streams.Uncertified > 0 {
		row("uncertified", "%d streams refused", n.Streams.Uncertified)
	}
	if text := trustText(&n.Trust); text != "" {
		row("authority", "%s", text)
	}
	for _, s := range n.Seeds {
		row("seed", "%s: %s", s.Address, seedText(s))
	}
	for _, d := range n.Degraded {
		row("degraded", "%s: %s", d.What, d.Reason)
	}
	for _, c := range n.Conflicts {
		row("conflict", "%s", c.Reason)
	}
	for _, r := range n.Refused {
		row("refused", "%s: %s (%s ago)", r.What, r.Reason, span(time.Since(r.Since)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printPeers(w, s.Peers)
}

// encryptionText says whether packets are sealed, and with what: the ciphers of the sessions that there are.
func encryptionText(s *api.Status) string {
	var ciphers []string
	for _, p := range s.Peers {
		if p.Sealed && p.Cipher != "" && !slices.Contains(ciphers, p.Cipher) {
			ciphers = append(ciphers, p.Cipher)
		}
	}
	if len(ciphers) == 0 {
		return s.Node.Encryption
	}
	slices.Sort(ciphers)
	return s.Node.Encryption + ", " + strings.Join(ciphers, " and ")
}

// trustText says who may take part, where that is not whoever has the secret.
func trustText(t *api.Trust) string {
	parts := []string{}
	if len(t.Authorities) > 0 {
		parts = append(parts, "only nodes certified by "+strings.Join(t.Authorities, " or "))
	}
	if c := t.Certificate; c != nil {
		parts = append(parts, fmt.Sprintf("our certificate %d ends %s", c.Serial, dayTime(c.NotAfter)))
	}
	if t.Revoked+t.Banned > 0 {
		parts = append(parts, fmt.Sprintf("%d revoked, %d by this node alone", t.Revoked+t.Banned, t.Banned))
	}
	if t.Refused > 0 {
		parts = append(parts, fmt.Sprintf("%d claims refused", t.Refused))
	}
	return strings.Join(parts, "; ")
}

// secretText names the secrets that the node holds, and says how old they and its own key are.
func secretText(n *api.Node) string {
	var parts []string
	for _, s := range n.Secrets {
		text := fmt.Sprintf("%s for %s", s.ID, span(time.Since(s.Since)))
		if !s.First {
			text = "takes " + text + " too"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ") + "; our key for " + span(time.Since(n.KeySince))
}

func subnetText(n *api.Node) string {
	if len(n.Subnets) == 0 {
		return "none yet: " + n.SubnetNote
	}
	text := fmt.Sprintf("%s (%s), our addresses %s", list(n.Subnets), n.SubnetMode, list(n.Addresses))
	if n.SubnetNote != "" {
		text += "; " + n.SubnetNote
	}
	return text
}

func seedText(s api.Seed) string {
	if s.Name != "" {
		return s.State + " (" + s.Name + ")"
	}
	if s.Tries == 0 {
		return s.State
	}
	return fmt.Sprintf("%s; %s in %s, the next in %s", s.State, counted(uint64(s.Tries), "call"), span(time.Since(s.Since)), span(time.Until(s.Next)))
}

// pathText is how a peer is reached: "udp", "relay via NAME", "none".
func pathText(p *api.Peer) string {
	if p.Via == "" {
		return p.Path
	}
	return p.Path + " via " + p.Via
}

func printPeers(w io.Writer, peers []api.Peer) error {
	if len(peers) == 0 {
		_, err := fmt.Fprintln(w, "no peers yet")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PEER\tSTATE\tSINCE\tPATH\tENDPOINT\tRTT\tLOSS\tMTU\tADDRESSES\tSENT\tRECEIVED\tSEES US AS")
	for _, p := range peers {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.State, span(time.Since(p.Since)), dash(pathSinceText(&p)),
			dash(p.Endpoint), rtt(p.RTT), lossShare(&p), mtuText(&p), dash(list(p.Addrs)), bytesText(p.Sent.Bytes), bytesText(p.Received.Bytes), dash(p.SeesUs))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range peers {
		printCandidates(w, &p)
		if p.NoDirect != "" {
			fmt.Fprintf(w, "\n%s is reached through %s: %s\n", p.Name, p.Via, p.NoDirect)
		}
		if p.Reason != "" {
			fmt.Fprintf(w, "\n%s is %s: %s\n", p.Name, p.State, p.Reason)
		}
		for _, tried := range p.Tried {
			fmt.Fprintf(w, "  %s\n", tried)
		}
	}
	return nil
}

// pathSinceText is pathText, and for how long where that is less than the peer is up.
func pathSinceText(p *api.Peer) string {
	if p.PathSince.Sub(p.Since) < time.Second {
		return pathText(p)
	}
	return pathText(p) + " for " + span(time.Since(p.PathSince))
}

// lossShare is the share of probes that a peer's path loses.
func lossShare(p *api.Peer) string {
	if p.Loss == nil {
		return "-"
	}
	return strconv.FormatFloat(math.Round(1000**p.Loss)/10, 'f', -1, 64) + "%"
}

// mtuText is the MTU of the overlay towards a peer, and what it comes from.
func mtuText(p *api.Peer) string {
	if p.PathMTU == 0 {
		return number(p.MTU)
	}
	return fmt.Sprintf("%d (%d %s)", p.MTU, p.PathMTU, p.MTUKnown)
}

func drops(m map[string]uint64) string {
	if len(m) == 0 {
		return "none"
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", m[name], name)
	}
	return strings.Join(names, ", ")
}

func list[T any](items []T) string {
	texts := make([]string, len(items))
	for i, v := range items {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, " ")
}

func dash(s string) string { return cmp.Or(s, "-") }

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func rtt(us int64) string {
	if us == 0 {
		return "-"
	}
	return (time.Duration(us) * time.Microsecond).String()
}

// span is a duration as people say it: two units at most.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

func size(bytes int) string { return bytesText(uint64(max(bytes, 0))) }

// bytesText is a byte count with a binary unit.
func bytesText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
