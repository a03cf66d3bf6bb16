package config

import (
	"errors"
	"strings"
	"testing"
)

func TestMetricsAreAtAnAddressOrNowhere(t *testing.T) {
	for _, good := range []string{"", ":9339", "127.0.0.1:9339", "[::1]:1", "10.244.1.1:65535", "[fe80::1%eth0]:9339"} {
		c := Default()
		if err := setMetrics(&c, []string{good}); err != nil || c.Metrics != good {
			t.Errorf("metrics: %q gives %q, %v", good, c.Metrics, err)
		}
	}
	for bad, why := range map[string]string{
		"9339": "not an address and port", "localhost:9339": "not an IP address", "127.0.0.1:0": "not a port", "127.0.0.1:65536": "not a port",
		"224.0.0.1:9339": "not an address of one host", "127.0.0.1:http": "not a port", " ": "not an address and port",
	} {
		c := Default()
		if err := setMetrics(&c, []string{bad}); err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("metrics: %q gives %v, want %q", bad, err, why)
		}
	}
}

func TestNoMetricsIsWrittenAndReadBackAsThat(t *testing.T) {
	c := Default()
	c.Metrics = ""
	text, err := c.text()
	must(t, err)
	back := Default()
	if err := back.Parse(text); err != nil || back.Metrics != "" {
		t.Errorf("%q, %v, of\n%s", back.Metrics, err, text)
	}
}

func TestMetricsTakeNoPortOfThePeers(t *testing.T) {
	for _, c := range []struct {
		listen, metrics string
		good            bool
	}{
		{":9338", "127.0.0.1:9338", false}, {"192.0.2.1:9338", ":9338", false}, {"192.0.2.1:9338", "192.0.2.1:9338", false},
		{"192.0.2.1:9338", "127.0.0.1:9338", true}, {":9338", "127.0.0.1:9339", true}, {":9338", "", true},
	} {
		cfg := Default()
		cfg.Listen, cfg.Metrics = c.listen, c.metrics
		err := cfg.Validate()
		if (err == nil) != c.good || err != nil && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "metrics: ")) {
			t.Errorf("listen %s, metrics %s: %v", c.listen, c.metrics, err)
		}
	}
}
