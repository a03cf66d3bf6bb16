package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cluster"
)

// prometheus is a real one, on a node's host, with the rules and the scrape configuration of deploy/prometheus.
type prometheus struct {
	t    *testing.T
	node *cluster.Node
}

// startPrometheus starts one that scrapes every half second.
func startPrometheus(t *testing.T, n *cluster.Node) *prometheus {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "deploy/prometheus"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "_interval: 15s", "_interval: 500ms")), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = n.StartCommand(lab.Command{Args: []string{"prometheus", "--config.file=" + file, "--storage.tsdb.path=" + dir + "/data",
		"--web.listen-address=127.0.0.1:9090", "--log.level=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	return &prometheus{t, n}
}

// get asks the API for what data is. An error is what Prometheus says against it, or that it does not answer yet.
func (p *prometheus) get(path string, data any) error {
	resp, err := fetch(p.t, p.node, "http://127.0.0.1:9090/api/v1/"+path)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// series is how many series an expression has now.
func (p *prometheus) series(expr string) (int, error) {
	var data struct {
		Result []json.RawMessage
	}
	err := p.get("query?query="+url.QueryEscape(expr), &data)
	return len(data.Result), err
}

// await waits until each of the expressions, which are keyed by what they are for, has had data.
func (p *prometheus) await(exprs map[string]string) {
	p.t.Helper()
	without := maps.Clone(exprs)
	await(p.t, func() (bool, string) {
		var why strings.Builder
		for what, expr := range without {
			n, err := p.series(expr)
			if err == nil && n > 0 {
				delete(without, what)
				continue
			}
			fmt.Fprintf(&why, "%s has no data (%v): %s\n", what, err, expr)
		}
		return len(without) == 0, why.String()
	})
}

// alerts are the expressions of all alerts that Prometheus has taken and evaluated without an error.
func (p *prometheus) alerts() map[string]string {
	p.t.Helper()
	exprs := map[string]string{}
	await(p.t, func() (bool, string) {
		var data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
		if err := p.get("rules", &data); err != nil {
			return false, err.Error()
		}
		for _, g := range data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return false, fmt.Sprintf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
				exprs[r.Name] = r.Query
			}
		}
		return len(exprs) > 0, "no rules"
	})
	return exprs
}

// panelQueries are the expressions of the dashboard's panels, with its variables at "All".
func panelQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/grafana/weft.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := map[string]string{}
	all := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$peer", ".*")
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			queries[fmt.Sprintf("query %s of panel %d (%s)", q.RefID, p.ID, p.Title)] = all.Replace(q.Expr)
		}
	}
	return queries
}

// exampleCluster is the one that the scrape example speaks of: three nodes whose metrics are at their own address.
func exampleCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := newCluster(t, 0)
	for i := 1; i <= 3; i++ {
		n, err := c.Add(interrupted, "--subnet", fmt.Sprintf("10.244.%d.0/24,fd10:244:0:%[1]d::/64", i))
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			certifyForDays(t, c, n)
		}
		if err := n.Up("--metrics", fmt.Sprintf("10.244.%d.1:9339", i)); err != nil {
			t.Fatal(err)
		}
	}
	awaitAll(t, c)
	return c
}

// certifyForDays gives a node a certificate that ends within a week.
func certifyForDays(t *testing.T, c *cluster.Cluster, n *cluster.Node) {
	t.Helper()
	o := &operator{Cluster: c, key: filepath.Join(n.Dir(), "authority.key"), public: filepath.Join(n.Dir(), "authority.pub")}
	o.weft(t, n, "authority", "new", "--key", o.key, "--public", o.public)
	configure(t, n, "certificate", o.certify(t, n, "--days", "5"))
}

func TestEveryPanelHasDataAndAlertsComeWithTheirCausesInARealPrometheus(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Skip("prometheus is not installed: scripts/setup.sh --all")
	}
	c := exampleCluster(t)
	p := startPrometheus(t, c.Nodes[0])
	p.await(map[string]string{"the scrape of three nodes": `count(up == 1) == 3`})
	pingAll(t, pods(t, c))

	alerts := p.alerts()
	due := map[string]string{}
	for _, name := range []string{"WeftMetricsDown", "WeftPeerDown", "WeftDropsRising", "WeftReloadRejected"} {
		due[name] = alerts[name]
		if n, err := p.series(alerts[name]); err != nil || n > 0 && name != "WeftDropsRising" { // some packets are dropped at the start
			t.Errorf("%s has %d series in a healthy cluster (%v)", name, n, err)
		}
	}
	due["WeftCertificateEnds"] = alerts["WeftCertificateEnds"]
	causeAlerts(t, c)
	p.await(due)
	p.await(panelQueries(t))
}

// causeAlerts loses a node, drops packets of both directions, and has a configuration refused.
func causeAlerts(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	first, second, third := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	configure(t, second, "nonsense", "1")
	if out, err := second.Weft(within(t, patience), "reload", "--socket", second.Socket()); err == nil {
		t.Errorf("a configuration with nonsense is taken: %s", out)
	}
	shell(t, first, "ip route add 10.244.200.0/24 dev weft0; ! ping -q -i 0.002 -c 700 -W 1 10.244.200.1") // nobody's
	noise := fmt.Sprintf("for i in {1..100}; do echo >/dev/udp/%s/9338; done", first.Addrs()[0])
	if out, err := second.Run(within(t, patience), "bash", "-ec", noise); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := third.Kill(within(t, patience)); err != nil {
		t.Fatal(err)
	}
}
