package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weftnet/weft/node/api"
)

// printFastPath says in sentences how packets move.
func printFastPath(w io.Writer, n *api.Node) error {
	return printSections(w,
		section{"What is on", fastPathOn(n)},
		section{"What is not", fastPathOff(n)},
		section{fmt.Sprintf("How it does, since the start %s ago", span(time.Since(n.Started))), fastPathTotals(n)})
}

// section is a heading with sentences.
type section struct {
	heading string
	lines   []string
}

func printSections(w io.Writer, sections ...section) error {
	for i, s := range sections {
		gap := "\n"
		if i == 0 {
			gap = ""
		}
		if _, err := fmt.Fprintf(w, "%s%s\n  %s\n", gap, s.heading, strings.Join(s.lines, "\n  ")); err != nil {
			return err
		}
	}
	return nil
}

func fastPathOn(n *api.Node) []string {
	f := &n.FastPath
	lines := []string{
		fmt.Sprintf("Packets move through %s by driver %s (%s).", n.Device.Name, n.Device.Driver, n.Device.Why),
		lanesText(f),
		fmt.Sprintf("Each lane's sockets have buffers of %s in and %s out.", size(n.Socket.ReceiveBuffer), size(n.Socket.SendBuffer)),
	}
	if names := inState("on", n.Device.Features); len(names) > 0 {
		lines = append(lines, fmt.Sprintf("On at %s: %s.", n.Device.Name, strings.Join(names, ", ")))
	}
	if names := inState("on", n.Socket.Features); len(names) > 0 {
		lines = append(lines, fmt.Sprintf("On at UDP port %d: %s.", n.Socket.Port, strings.Join(names, ", ")))
	}
	if f.Spin > 0 {
		lines = append(lines, fmt.Sprintf("A lane that found nothing looks again up to %d times before it waits (%s).", f.Spin, f.SpinWhy))
	}
	if f.Partial.State == "on" {
		lines = append(lines, "Checksums of inner packets are left partial: nobody computes what the frame protects.")
	}
	return lines
}

func lanesText(f *api.FastPath) string {
	how := "one loop reads the device and another one the port"
	if f.Polled {
		how = "one loop serves the device and the port"
	}
	if f.Lanes == 1 {
		return fmt.Sprintf("There is 1 lane (%s); %s.", f.LanesWhy, how)
	}
	return fmt.Sprintf("There are %d lanes (%s); in each, %s.", f.Lanes, f.LanesWhy, how)
}

func inState(state string, list []api.Feature) (names []string) {
	for _, f := range list {
		if f.State == state {
			names = append(names, f.Name)
		}
	}
	return names
}

func fastPathOff(n *api.Node) (lines []string) {
	f := &n.FastPath
	if f.LanesLack != "" {
		lines = append(lines, fmt.Sprintf("There are fewer lanes than wanted: %s.", f.LanesLack))
	}
	lines = append(lines, notOn(n.Device.Name, n.Device.Features)...)
	lines = append(lines, notOn(fmt.Sprintf("UDP port %d", n.Socket.Port), n.Socket.Features)...)
	for _, r := range f.Refused {
		lines = append(lines, fmt.Sprintf("Frames to %s go one by one: %s.", r.What, r.Reason))
	}
	if f.Spin == 0 {
		lines = append(lines, fmt.Sprintf("A lane that found nothing waits at once: %s.", f.SpinWhy))
	}
	if f.Partial.State != "on" {
		lines = append(lines, fmt.Sprintf("Checksums of inner packets are not left partial: %s.", f.Partial.Reason))
	}
	if len(lines) == 0 {
		return []string{"Nothing."}
	}
	return lines
}

func notOn(where string, list []api.Feature) (lines []string) {
	for _, f := range list {
		if f.State != "on" {
			lines = append(lines, fmt.Sprintf("At %s, %s is %s: %s.", where, f.Name, f.State, f.Reason))
		}
	}
	return lines
}

func fastPathTotals(n *api.Node) []string {
	f := &n.FastPath
	lines := []string{
		"Out: " + flow(f.PacketsOut, f.SendCalls, "send call", f.FramesPerCallOut, "read", f.SegmentsPerSuperpacketOut),
		"In: " + flow(f.FramesIn, f.Receives, "receive", f.FramesPerCallIn, "written", f.SegmentsPerSuperpacketIn),
		fmt.Sprintf("Lanes looked in vain %s and waited %s.", counted(f.Spins, "time"), counted(f.Waits, "time")),
	}
	if f.Resent > 0 {
		lines = append(lines, fmt.Sprintf("Frames that went one by one, after the kernel had refused their train: %d.", f.Resent))
	}
	if f.Misdirected > 0 {
		lines = append(lines, fmt.Sprintf("Frames that came to another lane than their own, and were carried over: %d.", f.Misdirected))
	}
	if q := f.Queue; q != nil && q.Cut+q.Refused+q.Copied > 0 {
		lines = append(lines, fmt.Sprintf("Of superpackets written, %d were cut, %d were cut after the kernel had refused them, %d were copied.",
			q.Cut, q.Refused, q.Copied))
	}
	return append(lines, lossText(n))
}

// flow says how frames moved in one direction, and what superpackets were read from the device or written to it.
func flow(frames, calls uint64, call string, each float64, moved string, segments float64) string {
	if frames == 0 || calls == 0 {
		return "nothing yet."
	}
	text := fmt.Sprintf("%s in %s, %.1f in each", counted(frames, "frame"), counted(calls, call), each)
	if segments > 0 {
		text += fmt.Sprintf("; a superpacket that was %s had %.1f segments", moved, segments)
	}
	return text + "."
}

// lossText says what was lost on the way through the kernel, and what weft could not read.
func lossText(n *api.Node) string {
	text := fmt.Sprintf("The kernel dropped %s because a receive buffer was full", counted(n.Socket.Overflow, "datagram"))
	if q := n.FastPath.Queue; q != nil && q.KernelDrops != nil {
		text += fmt.Sprintf(", and %s because a queue of %s was full or closed (since that was made)", counted(*q.KernelDrops, "packet"), n.Device.Name)
	}
	if unreadable := n.Drops["unreadable"]; unreadable > 0 {
		text += fmt.Sprintf("; %s could not be understood", counted(unreadable, "packet"))
	}
	return text + "."
}

// counted is a number of things in words.
func counted(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
