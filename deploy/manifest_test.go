package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/weftnet/weft/node/config"
)

// The parts of Kubernetes' objects (k8s.io/api v0.34) that the manifest uses. Every other key is an error: a misspelt one would be
// passed over or refused by the server, depending on how it is applied.
type (
	object struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   metadata

		Type       string
		StringData map[string]string `yaml:"stringData"`
		Data       map[string]string
		Automount  *bool `yaml:"automountServiceAccountToken"`
		Rules      []struct {
			APIGroups        []string `yaml:"apiGroups"`
			Resources, Verbs []string
		}
		RoleRef struct {
			APIGroup   string `yaml:"apiGroup"`
			Kind, Name string
		} `yaml:"roleRef"`
		Subjects []struct{ Kind, Name, Namespace string }
		Spec     daemonSet
	}
	metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	daemonSet struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		UpdateStrategy struct {
			Type          string
			RollingUpdate struct {
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		} `yaml:"updateStrategy"`
		Template struct {
			Metadata metadata
			Spec     pod
		}
	}
	pod struct {
		ServiceAccountName string            `yaml:"serviceAccountName"`
		Automount          *bool             `yaml:"automountServiceAccountToken"`
		HostNetwork        bool              `yaml:"hostNetwork"`
		DNSPolicy          string            `yaml:"dnsPolicy"`
		PriorityClassName  string            `yaml:"priorityClassName"`
		Grace              int               `yaml:"terminationGracePeriodSeconds"`
		NodeSelector       map[string]string `yaml:"nodeSelector"`
		Tolerations        []struct{ Operator, Key, Effect string }
		SecurityContext    struct {
			SeccompProfile struct{ Type string }        `yaml:"seccompProfile"`
			SELinux        struct{ Level, Type string } `yaml:"seLinuxOptions"`
		} `yaml:"securityContext"`
		Containers []container
		Volumes    []volume
	}
	container struct {
		Name, Image     string
		ImagePullPolicy string `yaml:"imagePullPolicy"`
		Args            []string
		Env             []struct {
			Name      string
			ValueFrom struct {
				FieldRef struct {
					FieldPath string `yaml:"fieldPath"`
				} `yaml:"fieldRef"`
			} `yaml:"valueFrom"`
		}
		SecurityContext struct {
			Privileged               *bool
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Add, Drop []string }
		} `yaml:"securityContext"`
		StartupProbe   probe `yaml:"startupProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		LivenessProbe  probe `yaml:"livenessProbe"`
		Resources      struct{ Requests map[string]string }
		VolumeMounts   []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	probe struct {
		Exec             struct{ Command []string }
		PeriodSeconds    int `yaml:"periodSeconds"`
		TimeoutSeconds   int `yaml:"timeoutSeconds"`
		FailureThreshold int `yaml:"failureThreshold"`
	}
	volume struct {
		Name      string
		HostPath  struct{ Path, Type string } `yaml:"hostPath"`
		Projected struct {
			DefaultMode int `yaml:"defaultMode"`
			Sources     []struct {
				ConfigMap           source `yaml:"configMap"`
				Secret              source
				ServiceAccountToken struct {
					Path              string
					ExpirationSeconds int `yaml:"expirationSeconds"`
				} `yaml:"serviceAccountToken"`
			}
		}
	}
	source struct {
		Name  string
		Items []struct{ Key, Path string }
	}
)

// manifest is deploy/k3s/weft.yaml by kind.
func manifest(t *testing.T) map[string]object {
	t.Helper()
	text, err := os.ReadFile("k3s/weft.yaml")
	check(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	objects := map[string]object{}
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		check(t, err)
		objects[o.Kind] = o
	}
}

func TestTheManifestIsWhatWeftNeedsAndNoMore(t *testing.T) {
	objects := manifest(t)
	for kind, version := range map[string]string{
		"Secret": "v1", "ConfigMap": "v1", "ServiceAccount": "v1", "DaemonSet": "apps/v1",
		"ClusterRole": "rbac.authorization.k8s.io/v1", "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
	} {
		o := objects[kind]
		if o.APIVersion != version || o.Metadata.Name != "weft" || strings.HasPrefix(kind, "Cluster") != (o.Metadata.Namespace == "") {
			t.Errorf("%s: %s %+v", kind, o.APIVersion, o.Metadata)
		}
	}
	rules := objects["ClusterRole"].Rules
	if len(rules) != 1 || !slices.Equal(rules[0].APIGroups, []string{""}) || !slices.Equal(rules[0].Resources, []string{"nodes"}) || !slices.Equal(rules[0].Verbs, []string{"get"}) {
		t.Errorf("it may do more than get nodes, or less: %+v", rules)
	}
	set := objects["DaemonSet"].Spec
	p := set.Template.Spec
	if !p.HostNetwork || p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" || p.SecurityContext.SELinux.Type != "spc_t" || p.PriorityClassName != "system-node-critical" ||
		set.UpdateStrategy.Type != "RollingUpdate" || set.UpdateStrategy.RollingUpdate.MaxUnavailable != 1 ||
		len(p.Tolerations) != 1 || p.Tolerations[0].Operator != "Exists" || p.Tolerations[0].Key != "" || p.Tolerations[0].Effect != "" {
		t.Errorf("%+v", set)
	}
	added := map[string][]string{"weft": {"NET_ADMIN"}, "cni": nil}
	for _, c := range p.Containers {
		s := c.SecurityContext
		if s.Privileged == nil || *s.Privileged || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem ||
			!slices.Equal(s.Capabilities.Drop, []string{"ALL"}) || !slices.Equal(s.Capabilities.Add, added[c.Name]) {
			t.Errorf("container %s: %+v", c.Name, s)
		}
		for _, m := range c.VolumeMounts {
			if c.Name == "cni" && m.MountPath == "/var/lib/weft" {
				t.Error("the container that talks to the runtime sees the node's keys")
			}
			i := slices.IndexFunc(p.Volumes, func(v volume) bool { return v.Name == m.Name })
			if i < 0 {
				t.Errorf("container %s mounts %s, which is no volume", c.Name, m.Name)
			} else if path := p.Volumes[i].HostPath.Path; path != "" && path != m.MountPath {
				t.Errorf("container %s has the host's %s at %s: plugin and daemon say the same path", c.Name, path, m.MountPath)
			}
		}
	}
	if i := slices.IndexFunc(p.Volumes, func(v volume) bool { return v.HostPath.Path == "/dev/net/tun" }); i < 0 || p.Volumes[i].HostPath.Type != "CharDevice" {
		t.Error("/dev/net/tun is no CharDevice")
	}
}

func TestTheConfigurationOfTheManifestIsTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weft.yaml")
	check(t, os.WriteFile(file, []byte(manifest(t)["ConfigMap"].Data["weft.yaml"]), 0o600))
	cfg := config.Default()
	check(t, cfg.ReadFile(file))
	check(t, cfg.Validate())
	if cfg.Subnet.Values()[0] != "k8s" || config.Joined(cfg.Network) != "10.42.0.0/16" {
		t.Errorf("subnet %v, network %v", cfg.Subnet, cfg.Network)
	}
}
