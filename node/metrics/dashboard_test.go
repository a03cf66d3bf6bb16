package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// dashboard is what is checked of Grafana's dashboard JSON.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct{ List []variable }
	Annotations   struct {
		List []struct{ Name, Expr string }
	}
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Datasource  datasource
	Targets     []target
}

type datasource struct{ Type, UID string }

type target struct {
	RefID, Expr, LegendFormat string
	Datasource                datasource
}

type variable struct{ Name, Type, Definition string }

func loadDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.NewDecoder(bytes.NewReader(read(t, "deploy/grafana/weft.json"))).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// panelTypes come with Grafana itself.
var panelTypes = []string{"row", "stat", "table", "timeseries"}

func TestTheDashboardIsOneThatGrafanaTakes(t *testing.T) {
	d := loadDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 || len(d.Panels) < 20 {
		t.Errorf("dashboard %q %q, schema %d, %d panels", d.UID, d.Title, d.SchemaVersion, len(d.Panels))
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" || !slices.Contains(panelTypes, p.Type) {
			t.Errorf("panel %d %q of type %q", p.ID, p.Title, p.Type)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("panel %q lacks description, query or data source", p.Title)
		}
	}
}

func TestPanelsOfTheDashboardLieSideBySide(t *testing.T) {
	const columns = 24
	taken := map[[2]int]string{}
	for _, p := range loadDashboard(t).Panels {
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > columns {
			t.Errorf("%q lies at %+v", p.Title, g)
		}
		for y := g.Y; y < g.Y+g.H; y++ {
			for x := g.X; x < g.X+g.W; x++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

var (
	legendLabel = regexp.MustCompile(`{{\s*(\w+)\s*}}`)
	labelQuery  = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	variableUse = regexp.MustCompile(`\$(\w+)`)
)

// builtIn are the variables that Grafana has in every dashboard.
var builtIn = []string{"__rate_interval", "__interval"}

func TestTheDashboardAsksForWhatAScrapeHas(t *testing.T) {
	families, d := exported(t), loadDashboard(t)
	variables := slices.Clone(builtIn)
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "datasource" {
			continue
		}
		m := labelQuery.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("variable %s: %s", v.Name, v.Definition)
			continue
		}
		if labels := assertQuery(t, families, v.Name, m[1]); !slices.Contains(labels, m[2]) {
			t.Errorf("variable %s: no label %s", v.Name, m[2])
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			assertTarget(t, families, p.Title, q, variables)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			assertTarget(t, families, a.Name, target{Expr: a.Expr}, variables)
		}
	}
}

func assertTarget(t *testing.T, families map[string]*dto.MetricFamily, where string, q target, variables []string) {
	t.Helper()
	labels := assertQuery(t, families, where, q.Expr)
	for _, m := range legendLabel.FindAllStringSubmatch(q.LegendFormat, -1) {
		if !slices.Contains(labels, m[1]) {
			t.Errorf("%s: the legend speaks of %s, which no metric has", where, m[1])
		}
	}
	for _, m := range variableUse.FindAllStringSubmatch(q.Expr, -1) {
		if !slices.Contains(variables, m[1]) {
			t.Errorf("%s: no variable %s", where, m[1])
		}
	}
}

func TestEveryFamilyIsInTheDashboardOrInAnAlertUnlessItIsForPeopleWhoLookCloser(t *testing.T) {
	var text strings.Builder
	fmt.Fprint(&text, string(read(t, "deploy/grafana/weft.json")), string(read(t, "deploy/prometheus/alerts.yaml")))
	closer := []string{
		"weft_bytes_total", "weft_claims", "weft_config_last_reload_success_timestamp_seconds", "weft_device_mtu_bytes", "weft_gossip_drops_total", "weft_gossip_refused_total", "weft_initiations_total", "weft_lane_messages_total", "weft_lanes",
		"weft_claims_refused_total", "weft_node_key_since_timestamp_seconds", "weft_peer_loss_ratio", "weft_pods", "weft_pods_capacity", "weft_pods_former_subnet", "weft_pods_guarded", "weft_pods_leased", "weft_pods_vanished_total", "weft_relayed_bytes_total", "weft_revoked", "weft_routes", "weft_sessions", "weft_socket_buffer_bytes", "weft_split_packets_total", "weft_streams_total",
	}
	for _, f := range Families() {
		if shown := strings.Contains(text.String(), f.Name); shown == slices.Contains(closer, f.Name) {
			t.Errorf("%s is shown: %v", f.Name, shown)
		}
	}
}
