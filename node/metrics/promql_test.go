package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// selector is one metric in a query, with what is asked of its labels.
type selector struct {
	metric   string
	matchers []matcher
}

// matcher is one condition on a label.
type matcher struct{ label, op, value string }

// values are the label values that a matcher names. A variable of a dashboard names none.
func (m matcher) values() []string {
	switch {
	case strings.Contains(m.value, "$"):
		return nil
	case strings.HasSuffix(m.op, "~"):
		return strings.Split(m.value, "|")
	}
	return []string{m.value}
}

// query is what a PromQL expression refers to. This is no parser of PromQL: it knows as much of it as alerts and dashboard use,
// and refuses the rest.
type query struct {
	selectors []selector
	labels    []string // of by, on and the like
}

var (
	token     = regexp.MustCompile(`^(?:\s+|\$\w+|[a-zA-Z_:][\w:]*|[0-9.]+[smhdw]?|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|=~|!~|!=|==|>=|<=|[-+*/%^<>=(){},])`)
	word      = regexp.MustCompile(`^[a-zA-Z_:][\w:]*$`)
	functions = []string{
		"sum", "min", "max", "count", "rate", "changes", "max_over_time", "time", "vector",
	}
	groupings = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	operators = []string{"and", "or", "unless", "bool", "offset"}
)

// parseQuery reads an expression.
func parseQuery(expr string) (*query, error) {
	tokens, err := tokens(expr)
	if err != nil {
		return nil, err
	}
	q := &query{}
	depth := 0
	for len(tokens) > 0 {
		t := tokens[0]
		tokens = tokens[1:]
		switch {
		case t == "(":
			depth++
		case t == ")":
			depth--
		case t == "{":
			return nil, fmt.Errorf("a selector without a metric: %s", expr)
		case word.MatchString(t):
			if tokens, err = q.word(t, tokens); err != nil {
				return nil, fmt.Errorf("%w: %s", err, expr)
			}
		}
		if depth < 0 {
			break
		}
	}
	if depth != 0 || len(q.selectors) == 0 {
		return nil, fmt.Errorf("parentheses do not match, or there is no metric: %s", expr)
	}
	return q, nil
}

func tokens(expr string) (list []string, err error) {
	for expr != "" {
		t := token.FindString(expr)
		if t == "" {
			return nil, fmt.Errorf("not understood: %s", expr)
		}
		expr = expr[len(t):]
		if strings.TrimSpace(t) != "" {
			list = append(list, t)
		}
	}
	return list, nil
}

// word takes a word and what belongs to it, and returns the rest.
func (q *query) word(w string, rest []string) ([]string, error) {
	next := ""
	if len(rest) > 0 {
		next = rest[0]
	}
	switch {
	case slices.Contains(operators, w):
		return rest, nil
	case slices.Contains(groupings, w):
		if next != "(" {
			return rest, nil // group_left may stand alone
		}
		end := slices.Index(rest, ")")
		if end < 0 {
			return nil, fmt.Errorf("%s has no end", w)
		}
		q.labels = append(q.labels, slices.DeleteFunc(slices.Clone(rest[1:end]), func(t string) bool { return t == "," })...)
		return rest[end+1:], nil
	case next == "(" || next == "by" || next == "without":
		if !slices.Contains(functions, w) {
			return nil, fmt.Errorf("unknown function %s", w)
		}
		return rest, nil
	case next == "{":
		s := selector{metric: w}
		rest, err := s.match(rest[1:])
		q.selectors = append(q.selectors, s)
		return rest, err
	}
	q.selectors = append(q.selectors, selector{metric: w})
	return rest, nil
}

// match takes the matchers up to the closing brace.
func (s *selector) match(rest []string) ([]string, error) {
	for len(rest) > 0 && rest[0] != "}" {
		if rest[0] == "," {
			rest = rest[1:]
			continue
		}
		if len(rest) < 3 || !strings.HasPrefix(rest[2], `"`) {
			return nil, fmt.Errorf("a matcher of %s is not understood", s.metric)
		}
		s.matchers = append(s.matchers, matcher{rest[0], rest[1], strings.Trim(rest[2], `"`)})
		rest = rest[3:]
	}
	if len(rest) == 0 {
		return nil, fmt.Errorf("the selector of %s has no end", s.metric)
	}
	return rest[1:], nil
}
