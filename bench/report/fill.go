package report

import "slices"

// Fill computes Stats, Ratios, Detail and Busy of every row from its Rounds, and nothing else; it may be called again after
// more rounds. Ratios are taken to the row of the same metric of each subject in references, over the rounds in which both have
// a figure and the reference's is not zero; the row of a reference has its own ratio, 1, as well. What cannot be computed is
// nil.
func Fill(r *Report, references []string) {
	rows := map[rowKey]*Row{}
	for i := range r.Rows {
		row := &r.Rows[i]
		rows[rowKey{row.Subject, row.Metric}] = row
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		row.fill()
		for _, name := range references {
			row.ratio(name, rows[rowKey{name, row.Metric}])
		}
	}
}

// fill computes what the row's own rounds give.
func (r *Row) fill() {
	r.Stats, r.Ratios, r.Detail, r.Busy = nil, nil, nil, 0
	var values []float64
	beside := map[string][]float64{}
	for _, s := range r.Rounds {
		if s.Busy >= BusyShare {
			r.Busy++
		}
		if s.Error != "" {
			continue
		}
		values = append(values, s.Value)
		for name, v := range s.Detail {
			beside[name] = append(beside[name], v)
		}
	}
	if len(values) > 0 {
		stats := NewStats(values)
		r.Stats = &stats
	}
	for name, of := range beside {
		put(&r.Detail, name, NewStats(of))
	}
}

// ratio takes the ratios to the reference's row; nil: there is none.
func (r *Row) ratio(name string, to *Row) {
	if to == nil {
		return
	}
	var ratios []float64
	busy := 0
	for _, s := range r.Rounds {
		i := slices.IndexFunc(to.Rounds, func(t Sample) bool { return t.Round == s.Round })
		if i >= 0 && s.Error == "" && to.Rounds[i].Error == "" && to.Rounds[i].Value != 0 {
			ratios = append(ratios, s.Value/to.Rounds[i].Value)
			if max(s.Busy, to.Rounds[i].Busy) >= BusyShare {
				busy++
			}
		}
	}
	if len(ratios) > 0 {
		stats := NewStats(ratios)
		stats.Busy = busy
		put(&r.Ratios, name, stats)
	}
}

// put sets a key of a map that may not be there yet.
func put(m *map[string]Stats, name string, s Stats) {
	if *m == nil {
		*m = map[string]Stats{}
	}
	(*m)[name] = s
}
