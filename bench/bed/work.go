package bed

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weftnet/weft/node/api"
)

// work are the totals of both daemons' fast paths.
func (r *weftRunning) work(ctx context.Context) (map[string]uint64, error) {
	sum := map[string]uint64{}
	for _, n := range r.nodes {
		s, err := n.Status(ctx)
		if err != nil {
			return nil, err
		}
		totals, err := fastPathTotals(s)
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", n.Name(), err)
		}
		for name, n := range totals {
			sum[name] += n
		}
	}
	return sum, nil
}

// fastPathTotals are the whole numbers in the object "fastpath" of a node's state, by their names in JSON; those of an object
// in it have its name and a point before theirs. A daemon that does not have it has none.
func fastPathTotals(s *api.Status) (map[string]uint64, error) {
	raw, err := json.Marshal(s.Node)
	if err != nil {
		return nil, err
	}
	var node struct {
		FastPath map[string]json.RawMessage `json:"fastpath"`
	}
	if err := json.Unmarshal(raw, &node); err != nil {
		return nil, err
	}
	totals := map[string]uint64{}
	addTotals(totals, "", node.FastPath)
	return totals, nil
}

// addTotals adds the whole numbers among the values, and those of objects among them. Everything else is passed over.
func addTotals(totals map[string]uint64, prefix string, values map[string]json.RawMessage) {
	for name, raw := range values {
		var n uint64
		var inner map[string]json.RawMessage
		switch {
		case string(raw) == "null":
		case json.Unmarshal(raw, &n) == nil:
			totals[prefix+name] = n
		case json.Unmarshal(raw, &inner) == nil:
			addTotals(totals, prefix+name+".", inner)
		}
	}
}
