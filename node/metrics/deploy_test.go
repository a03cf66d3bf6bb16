package metrics

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// exported are the families of a whole scrape, those of Go and of the process among them.
func exported(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := NewRegistry(here).Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{"up": {Metric: []*dto.Metric{{}}}} // Prometheus' own
	for _, f := range list {
		byName[f.GetName()] = f
	}
	return byName
}

// targetLabels are those that Prometheus adds to each series.
var targetLabels = []string{"job", "instance"}

// openLabels take values that are not known beforehand.
var openLabels = []string{"peer", "id", "name", "version", "goversion", "wire_min", "wire_max", "device", "endpoint", "cipher", "lane", "what", "quantile", "secret", "first"}

// assertQuery checks that all that an expression refers to exists: metrics, their labels, and the values of labels that have
// a closed list of them. It returns the labels that results may have.
func assertQuery(t *testing.T, families map[string]*dto.MetricFamily, where, expr string) []string {
	t.Helper()
	q, err := parseQuery(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return nil
	}
	labels := slices.Clone(targetLabels)
	for _, s := range q.selectors {
		f := families[s.metric]
		if f == nil {
			t.Errorf("%s: no metric %s", where, s.metric)
			continue
		}
		known := labelValues(f)
		for name := range known {
			labels = append(labels, name)
		}
		for _, m := range s.matchers {
			if err := m.check(known); err != nil {
				t.Errorf("%s: %s: %v", where, s.metric, err)
			}
		}
	}
	for _, l := range q.labels {
		if !slices.Contains(labels, l) {
			t.Errorf("%s: no metric in it has label %s", where, l)
		}
	}
	return labels
}

func labelValues(f *dto.MetricFamily) map[string][]string {
	values := map[string][]string{}
	for _, m := range f.GetMetric() {
		for name, value := range labelsOf(m) {
			values[name] = append(values[name], value)
		}
	}
	return values
}

func (m matcher) check(known map[string][]string) error {
	if slices.Contains(targetLabels, m.label) {
		return nil
	}
	values, ok := known[m.label]
	switch {
	case !ok:
		return fmt.Errorf("it has no label %s", m.label)
	case slices.Contains(openLabels, m.label):
		return nil
	}
	for _, v := range m.values() {
		if !slices.Contains(values, v) {
			return fmt.Errorf("%s is never %q", m.label, v)
		}
	}
	return nil
}

// ruleFile is a file of Prometheus' alerting rules.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (list []rule) {
	t.Helper()
	var file ruleFile
	dec := yaml.NewDecoder(bytes.NewReader(read(t, "deploy/prometheus/alerts.yaml")))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	if len(list) < 10 {
		t.Fatalf("%d alerts", len(list))
	}
	return list
}

var placeholder = regexp.MustCompile(`\$labels\.(\w+)`)

func TestAlertsReferToWhatAScrapeHas(t *testing.T) {
	families := exported(t)
	seen := map[string]bool{}
	for _, r := range alerts(t) {
		if seen[r.Alert] || !regexp.MustCompile(`^Weft[A-Z]\w+$`).MatchString(r.Alert) {
			t.Errorf("alert %q has the name of another, or an odd one", r.Alert)
		}
		seen[r.Alert] = true
		labels := assertQuery(t, families, r.Alert, r.Expr)
		for _, m := range placeholder.FindAllStringSubmatch(fmt.Sprint(r.Annotations), -1) {
			if !slices.Contains(labels, m[1]) {
				t.Errorf("%s speaks of label %s, which its metrics do not have", r.Alert, m[1])
			}
		}
		if r.For != "" {
			if _, err := time.ParseDuration(r.For); err != nil {
				t.Errorf("%s: for: %v", r.Alert, err)
			}
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s lacks severity, summary or description: %+v", r.Alert, r)
		}
	}
}

// runbooks is where the alerts' runbooks are.
const runbooks = "https://github.com/weftnet/weft/blob/main/docs/troubleshooting.md#"

func TestEveryAlertHasARunbookThatExists(t *testing.T) {
	anchors := headings(string(read(t, "docs/troubleshooting.md")))
	for _, r := range alerts(t) {
		anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbooks)
		if !ok || !slices.Contains(anchors, anchor) {
			t.Errorf("%s: runbook %q leads nowhere; the page has %q", r.Alert, r.Annotations["runbook_url"], anchors)
		}
	}
}

// headings are the anchors that GitHub gives to a page's headings.
func headings(text string) (anchors []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			anchors = append(anchors, anchorOf(title))
		}
	}
	return anchors
}

func anchorOf(title string) string {
	keep := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}
	return strings.Map(keep, strings.ToLower(strings.TrimSpace(title)))
}

func TestTheScrapeExampleIsWhatTheDocumentSays(t *testing.T) {
	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string }
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(read(t, "deploy/prometheus/prometheus.yaml"), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.ScrapeConfigs) != 1 || config.ScrapeConfigs[0].JobName != "weft" || !slices.Equal(config.RuleFiles, []string{"alerts.yaml"}) {
		t.Errorf("%+v", config)
	}
}

func TestEachAlertIsExpectedOfItsCause(t *testing.T) {
	cases := string(read(t, "deploy/prometheus/alerts_test.yaml"))
	for _, a := range alerts(t) {
		if !strings.Contains(cases, fmt.Sprintf("alertname=%q", a.Alert)) {
			t.Errorf("alerts_test.yaml has no case of %s", a.Alert)
		}
	}
}

func TestPromtoolTakesAlertsAndScrapeExample(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed (scripts/setup.sh --all); the tests above read the files without it")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = filepath.Join(root, "deploy/prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
