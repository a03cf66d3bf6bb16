package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/bench/report"
)

func (p *page) environment() {
	p.heading("Environment")
	p.details("Machine and versions", p.machineLines())
	p.details("Subjects", p.subjectLines())
	p.details("CPU mitigations", tableOf("vulnerability", "state", p.Environment.Mitigations))
	p.details("Sysctls", tableOf("sysctl", "value", p.Environment.Sysctls))
	p.details("Devices and offloads", deviceLines(p.Environment.Devices))
}

// details writes lines that a reader has to open; nothing without lines.
func (p *page) details(summary string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.printf("<details><summary>%s</summary>\n\n%s\n\n</details>\n", summary, strings.Join(lines, "\n"))
}

func (p *page) machineLines() []string {
	e := p.Environment
	facts := [][2]string{
		{"weft", e.Weft}, {"commit", e.Commit}, {"Go", e.Go}, {"kernel", e.Kernel}, {"system", e.OS}, {"architecture", e.Arch},
		{"CPU", e.CPU}, {"cores", fmt.Sprint(e.Cores)}, {"CPU flags", strings.Join(e.CPUFlags, " ")}, {"memory", memory(e.Memory)}, {"hypervisor", e.Virtual},
	}
	for _, name := range slices.Sorted(maps.Keys(e.Versions)) {
		facts = append(facts, [2]string{name, e.Versions[name]})
	}
	lines := []string{"| what | value |", "| --- | --- |"}
	for _, f := range facts {
		if f[1] != "" {
			lines = append(lines, fmt.Sprintf("| %s | %s |", plain(f[0]), plain(f[1])))
		}
	}
	return lines
}

// memory writes bytes as an operator buys them.
func memory(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func (p *page) subjectLines() []string {
	if len(p.ran) == 0 {
		return nil
	}
	lines := []string{"| subject | what it is | MTU | as it ran |", "| --- | --- | --: | --- |"}
	for _, s := range p.ran {
		var details []string
		for _, key := range slices.Sorted(maps.Keys(s.Details)) {
			details = append(details, plain(key+": "+s.Details[key]))
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", code(s.Name), plain(s.About), mtu(s.MTU), strings.Join(details, "<br>")))
	}
	return lines
}

func mtu(bytes int) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprint(bytes)
}

func tableOf(key, value string, of map[string]string) []string {
	if len(of) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("| %s | %s |", key, value), "| --- | --- |"}
	for _, k := range slices.Sorted(maps.Keys(of)) {
		lines = append(lines, fmt.Sprintf("| %s | %s |", plain(k), plain(of[k])))
	}
	return lines
}

// deviceLines is a table of all devices; those that are alike in several subjects stand in one line.
func deviceLines(devices []report.Device) []string {
	var order []string
	subjects := map[string][]string{}
	for _, d := range devices {
		text := deviceText(d)
		if subjects[text] == nil {
			order = append(order, text)
		}
		if !slices.Contains(subjects[text], d.Subject) {
			subjects[text] = append(subjects[text], d.Subject)
		}
	}
	if len(order) == 0 {
		return nil
	}
	lines := []string{"| where | device | type | MTU | queue | gso_max_size | offloads that are on | subjects |", "| --- | --- | --- | --: | --: | --: | --- | --- |"}
	for _, text := range order {
		lines = append(lines, text+plain(strings.Join(subjects[text], ", "))+" |")
	}
	return lines
}

// deviceText is a line of the table without its end.
func deviceText(d report.Device) string {
	return fmt.Sprintf("| %s | %s | %s | %d | %d | %d | %s | ", plain(d.Namespace), code(d.Name), plain(d.Type), d.MTU, d.QueueLen, d.GSOMax, offloads(d.Offloads))
}

// offloads names the features for segments, checksums and scattered memory that are on. All others are in the JSON.
func offloads(features map[string]bool) string {
	var on []string
	for _, name := range slices.Sorted(maps.Keys(features)) {
		if features[name] && slices.ContainsFunc([]string{"segment", "gro", "gso", "tso", "checksum", "csum", "scatter"}, func(part string) bool {
			return strings.Contains(name, part)
		}) {
			on = append(on, plain(name))
		}
	}
	return strings.Join(on, " ")
}
