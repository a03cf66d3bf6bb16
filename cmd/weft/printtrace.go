package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weftnet/weft/node/api"
)

func printTrace(w io.Writer, t *api.Trace) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", key, fmt.Sprintf(format, args...))
	}
	row("packet", "%s to %s", t.Source, t.Destination)
	for i, r := range t.Routes {
		row([]string{"owner", "also"}[min(i, 1)], "%s", ownerText(&r))
	}
	row("kernel", "%s", kernelText(&t.Kernel))
	if t.Drop != "" {
		row("drop", "%s: %s", t.Drop, t.Why)
	}
	if f := t.From; f != nil {
		row("from "+f.Peer, "%s", fromText(f))
	}
	if p := t.Peer; p != nil {
		tracePeer(row, p)
	}
	var names []string
	for i, h := range t.Hops {
		row(fmt.Sprint("hop ", i+1), "%s\t%s", h.Name, hopText(&h, slices.Clone(names)))
		names = append(names, h.Name)
	}
	if t.Unprobed != "" {
		row("hops", "nobody was asked: %s", t.Unprobed)
	}
	row("end", "%s", t.End)
	return table.Flush()
}

// ownerText says whose a prefix is, and what is to be said of it.
func ownerText(r *api.Route) string {
	parts := []string{fmt.Sprintf("%s: %s", r.Owner, strings.TrimSpace(r.Type+" "+r.Prefix.String()))}
	for _, part := range []string{r.Role, r.State, r.Reason} {
		if part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

func kernelText(k *api.TraceKernel) string {
	if k.Error != "" {
		return "no route: " + k.Error
	}
	text := "by " + k.Interface
	if k.Prefix.IsValid() {
		text = fmt.Sprintf("route %s by %s", k.Prefix, k.Interface)
	}
	if k.MTU > 0 {
		text += fmt.Sprintf(", mtu %d", k.MTU)
	}
	if k.Source.IsValid() {
		text += fmt.Sprintf(", source %s", k.Source)
	}
	return text
}

func fromText(f *api.TraceFrom) string {
	if f.Drop == "" {
		return "such a packet goes to the kernel of this host"
	}
	return fmt.Sprintf("such a packet is dropped here, %s: %s", f.Drop, f.Why)
}

// tracePeer says how the owner of the destination is reached.
func tracePeer(row func(key, format string, args ...any), p *api.Peer) {
	if p.State != api.StateUp {
		row("peer", "%s is %s since %s: %s", p.Name, p.State, span(time.Since(p.Since)), p.Reason)
		for _, tried := range p.Tried {
			row("", "%s", tried)
		}
		return
	}
	way := pathText(p)
	if p.Endpoint != "" {
		way += " to " + p.Endpoint
	}
	row("path", "%s since %s: %s", way, span(time.Since(cmp.Or(p.PathSince, p.Since))), cmp.Or(p.Why, "direct"))
	row("", "mtu %s, rtt %s, loss %s, %s", mtuText(p), rtt(p.RTT), lossShare(p), sealText(p))
	for _, tried := range p.Tried {
		row("", "%s", tried)
	}
}

func sealText(p *api.Peer) string {
	if p.Sealed {
		return "sealed with " + p.Cipher
	}
	return "in clear"
}

// hopText is what a node on the way answered. The way back is told if it is not along the relays of the way there, before.
func hopText(h *api.TraceHop, before []string) string {
	switch {
	case h.Asked == 0:
		return "was not asked: " + h.Why
	case len(h.Times) == 0:
		return "no answer to " + counted(uint64(h.Asked), "question")
	}
	parts := []string{timesText(h.Times)}
	if lost := h.Asked - len(h.Times); lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d without an answer", lost, h.Asked))
	}
	if h.Via != "" {
		parts = append(parts, "by "+h.Via)
	} else if h.Seen != "" {
		parts = append(parts, "straight, from "+h.Seen)
	}
	slices.Reverse(before)
	if !slices.Equal(h.Back, before) {
		parts = append(parts, "back "+backText(h.Back))
	}
	if h.Drop != "" {
		parts = append(parts, fmt.Sprintf("drops it, %s: %s", h.Drop, h.Why))
	}
	return strings.Join(parts, ", ")
}

func backText(relays []string) string {
	if len(relays) == 0 {
		return "straight"
	}
	return "by " + strings.Join(relays, ", ")
}

// timesText is the shortest time, and all in the order in which they came.
func timesText(us []int64) string {
	var all []string
	for _, t := range us {
		all = append(all, fmt.Sprintf("%.1f", float64(t)/1000))
	}
	return fmt.Sprintf("%.1f ms (%s)", float64(slices.Min(us))/1000, strings.Join(all, " "))
}
