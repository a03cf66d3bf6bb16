package kubernetes

import (
	"encoding/json"
	"net/netip"
	"strings"
)

// Answer is what a question came to.
type Answer struct {
	Server   string         // that was asked, as a URL; empty: that is not known
	Origin   string         // of the credentials
	PodCIDRs []netip.Prefix // in the order of the Node; at most one of each family
}

// nodeObject has the fields of a Node (core/v1) that matter here.
type nodeObject struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR  string   `json:"podCIDR"` // the first of podCIDRs; servers before 1.16 have no others
		PodCIDRs []string `json:"podCIDRs"`
	} `json:"spec"`
}

// parseNode reads spec.podCIDRs of the Node of that name. Errors are an *Error of kind BadAnswer or NoPodCIDRs.
func parseNode(data []byte, name string) ([]netip.Prefix, error) {
	var node nodeObject
	if err := json.Unmarshal(data, &node); err != nil {
		return nil, errorf(BadAnswer, "the answer is not a Node: %s", plain(strings.TrimPrefix(err.Error(), "json: ")))
	}
	switch {
	case node.Kind != "Node" || node.APIVersion != "v1":
		return nil, errorf(BadAnswer, "the answer is not a Node of v1, but %q of %q", plain(node.Kind), plain(node.APIVersion))
	case node.Metadata.Name != name:
		return nil, errorf(BadAnswer, "the answer is about node %q, not %s", plain(node.Metadata.Name), name)
	}
	texts := node.Spec.PodCIDRs
	if len(texts) == 0 && node.Spec.PodCIDR != "" {
		texts = []string{node.Spec.PodCIDR}
	}
	if len(texts) == 0 {
		return nil, errorf(NoPodCIDRs, "the node has none yet: the controller manager gives them with --allocate-node-cidrs and --cluster-cidr (k3s: --cluster-cidr)")
	}
	return parsePodCIDRs(texts)
}

// parsePodCIDRs takes what the API server's validation takes: at most one prefix of each family.
func parsePodCIDRs(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	families := map[bool]bool{}
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return nil, errorf(BadAnswer, "its podCIDR %q is not a prefix such as 10.42.1.0/24", plain(text))
		}
		if families[p.Addr().Is4()] {
			return nil, errorf(BadAnswer, "its podCIDRs %s are more than one of a family", plain(strings.Join(texts, ", ")))
		}
		families[p.Addr().Is4()] = true
		list = append(list, p)
	}
	return list, nil
}

// statusMessage is what a Status (meta/v1) says, for people; "": data is none.
func statusMessage(data []byte) string {
	var status struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(data, &status); err != nil || status.Kind != "Status" {
		return ""
	}
	return plain(status.Message)
}
