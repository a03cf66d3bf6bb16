package metrics

import (
	"strconv"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/version"
)

// nodeFamilies say what runs, and whether it runs as it should.
var nodeFamilies = []*Family{
	gauge("weft_build_info", "Always 1. Which weft this is: its version, Go's, and the wire versions that it speaks.",
		collectBuild, "version", "goversion", "wire_min", "wire_max"),
	gauge("weft_node_info", "Always 1. Which node this is, and how it is set up.", collectInfo, "name", "id", "device", "driver", "encryption"),
	gauge("weft_start_time_seconds", "When the daemon started, in Unix time.",
		func(s *api.Status, e emit) { e(seconds(s.Node.Started)) }),
	gauge("weft_config_last_reload_successful", "1 if the configuration was taken at the last reload, or at the start; 0 if it was rejected.",
		func(s *api.Status, e emit) { e(truth(!s.Node.Config.Rejected)) }),
	gauge("weft_config_last_reload_success_timestamp_seconds", "When the configuration in force was read, in Unix time.",
		func(s *api.Status, e emit) { e(seconds(s.Node.Config.Loaded)) }),
	gauge("weft_secret_since_timestamp_seconds", "When the node first held a secret of the cluster, in Unix time: one series, or two during a rotation. first is true for the one that it speaks under; secret is a public name of it.",
		collectSecrets, "secret", "first"),
	gauge("weft_node_key_since_timestamp_seconds", "When the node's own key was made, in Unix time.",
		func(s *api.Status, e emit) { e(seconds(s.Node.KeySince)) }),
	gauge("weft_problem", "1 for each thing that is not as it should be; no series otherwise. 'weft status' gives the reason.", collectProblems, "what"),
	gauge("weft_problems", "Things that are not as they should be: the sum of weft_problem.",
		one(func(s *api.Status) int { return len(problems(s)) })),
}

func collectBuild(s *api.Status, e emit) {
	v := version.Get()
	e(1, s.Node.Version, v.Go, strconv.Itoa(v.WireMin), strconv.Itoa(v.WireMax))
}

func collectInfo(s *api.Status, e emit) {
	e(1, s.Node.Name, s.Node.ID, s.Node.Device.Name, s.Node.Device.Driver, s.Node.Encryption)
}

func collectSecrets(s *api.Status, e emit) {
	for _, x := range s.Node.Secrets {
		e(seconds(x.Since), x.ID, strconv.FormatBool(x.First))
	}
}

func collectProblems(s *api.Status, e emit) {
	for what := range problems(s) {
		e(1, what)
	}
}

// problems are the subjects of what is degraded. One subject may have several notes: a series may not.
func problems(s *api.Status) map[string]bool {
	set := map[string]bool{}
	for _, note := range s.Node.Degraded {
		set[note.What] = true
	}
	return set
}
