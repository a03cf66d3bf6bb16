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
	t := &mdTable{heads: []string{"what", "value"}, left: []bool{true, true}}
	for _, f := range facts {
		if f[1] != "" {
			t.row(plain(f[0]), plain(f[1]))
		}
	}
	return t.lines()
}

// memory writes bytes as an operator buys them.
func memory(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func (p *page) subjectLines() []string {
	t := &mdTable{heads: []string{"subject", "what it is", "MTU", "as it ran"}, left: []bool{true, true, false, true}}
	for _, s := range p.ran {
		var details []string
		for _, key := range slices.Sorted(maps.Keys(s.Details)) {
			details = append(details, plain(key+": "+s.Details[key]))
		}
		t.row(code(s.Name), plain(s.About), mtu(s.MTU), strings.Join(details, "<br>"))
	}
	return t.lines()
}

func mtu(bytes int) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprint(bytes)
}

func tableOf(key, value string, of map[string]string) []string {
	t := &mdTable{heads: []string{key, value}, left: []bool{true, true}}
	for _, k := range slices.Sorted(maps.Keys(of)) {
		t.row(plain(k), plain(of[k]))
	}
	return t.lines()
}

// deviceLines is a table of all devices; those that are alike in several subjects stand in one line.
func deviceLines(devices []report.Device) []string {
	t := &mdTable{
		heads: []string{"where", "device", "type", "MTU", "queue", "gso_max_size", "offloads that are on", "subjects"},
		left:  []bool{true, true, true, false, false, false, true, true},
	}
	lines := map[string]int{}
	for _, d := range devices {
		texts := deviceTexts(d)
		key := strings.Join(texts, "|")
		i, known := lines[key]
		if !known {
			lines[key] = len(t.rows)
			t.row(append(texts, plain(d.Subject))...)
			continue
		}
		last := &t.rows[i][len(texts)]
		if !slices.Contains(strings.Split(*last, ", "), plain(d.Subject)) {
			*last += ", " + plain(d.Subject)
		}
	}
	return t.lines()
}

// deviceTexts are the cells of a device, without its subject.
func deviceTexts(d report.Device) []string {
	return []string{plain(d.Namespace), code(d.Name), plain(d.Type), fmt.Sprint(d.MTU), fmt.Sprint(d.QueueLen), fmt.Sprint(d.GSOMax), offloads(d.Offloads)}
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
