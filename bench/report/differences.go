package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Differences lists what may explain a change besides the code: options and environment, one line each ("kernel: 6.18.5, now
// 6.19.1"). Subjects and measures, weft itself, and the boot are left to the caller. Devices are compared where both have them.
func Differences(old, new *Report) []string {
	d := differing{[]string{}}
	d.options(old.Options, new.Options)
	d.machine(old.Environment, new.Environment)
	d.table("mitigation", old.Environment.Mitigations, new.Environment.Mitigations)
	d.table("sysctl", old.Environment.Sysctls, new.Environment.Sysctls)
	d.table("version of", old.Environment.Versions, new.Environment.Versions)
	d.devices(old, new)
	return d.lines
}

// differing collects the lines.
type differing struct{ lines []string }

// text adds a line when before and now differ.
func (d *differing) text(name, before, now string) {
	if before != now {
		d.lines = append(d.lines, fmt.Sprintf("%s: %s, now %s", name, orNone(before), orNone(now)))
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (d *differing) number(name string, before, now uint64) {
	d.text(name, strconv.FormatUint(before, 10), strconv.FormatUint(now, 10))
}

func (d *differing) options(before, now Options) {
	d.text("preset (lengths of the measures)", before.Preset, now.Preset)
	d.number("rounds", uint64(before.Rounds), uint64(now.Rounds))
	d.number("underlay MTU", uint64(before.MTU), uint64(now.MTU))
	d.number("overlay MTU asked for", uint64(before.OverlayMTU), uint64(now.OverlayMTU))
	d.number("rate in bit/s", before.Rate, now.Rate)
}

func (d *differing) machine(before, now Environment) {
	d.text("kernel", before.Kernel, now.Kernel)
	d.text("system", before.OS, now.OS)
	d.text("architecture", before.Arch, now.Arch)
	d.text("CPU", before.CPU, now.CPU)
	d.number("cores", uint64(before.Cores), uint64(now.Cores))
	d.text("CPU flags", fmt.Sprint(before.CPUFlags), fmt.Sprint(now.CPUFlags))
	d.number("memory in GiB", before.Memory>>30, now.Memory>>30)
	d.text("hypervisor", before.Virtual, now.Virtual)
	d.text("clock governor", before.Governor, now.Governor)
	d.text("Go", before.Go, now.Go)
}

func (d *differing) table(what string, before, now map[string]string) {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, now)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.text(what+" "+name, before[name], now[name])
	}
}

// deviceKey is what makes a device the same in two runs.
type deviceKey struct{ subject, namespace, name string }

// devices compares those that both runs have, and joins those with the same difference in one line.
func (d *differing) devices(before, now *Report) {
	old := map[deviceKey]Device{}
	for _, dev := range before.Environment.Devices {
		old[deviceKey{dev.Subject, dev.Namespace, dev.Name}] = dev
	}
	first, count := map[string]deviceKey{}, map[string]int{}
	var order []string
	for _, dev := range now.Environment.Devices {
		key := deviceKey{dev.Subject, dev.Namespace, dev.Name}
		was, both := old[key]
		if !both {
			continue
		}
		for _, line := range deviceDifferences(was, dev) {
			if count[line]++; count[line] == 1 {
				first[line], order = key, append(order, line)
			}
		}
	}
	for _, line := range order {
		d.lines = append(d.lines, deviceLine(first[line], count[line]-1, line))
	}
}

func deviceDifferences(before, now Device) []string {
	var d differing
	d.text("type", before.Type, now.Type)
	d.number("MTU", uint64(before.MTU), uint64(now.MTU))
	d.number("queue length", uint64(before.QueueLen), uint64(now.QueueLen))
	d.number("gso_max_size", uint64(before.GSOMax), uint64(now.GSOMax))
	d.table("offload", switches(before.Offloads), switches(now.Offloads))
	return d.lines
}

func switches(offloads map[string]bool) map[string]string {
	words := map[string]string{}
	for name, on := range offloads {
		words[name] = map[bool]string{true: "on", false: "off"}[on]
	}
	return words
}

func deviceLine(of deviceKey, more int, line string) string {
	name := fmt.Sprintf("device %s in %s of %s", of.name, of.namespace, of.subject)
	if more > 0 {
		name += fmt.Sprintf(" and %d more", more)
	}
	return name + ": " + line
}
