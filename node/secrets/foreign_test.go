package secrets

import (
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestASecretFileOfAnotherClusterIsToldFromARotation(t *testing.T) {
	a, b, c := trust.Secret{1}, trust.Secret{2}, trust.Secret{3}
	held := record{}.holding([]trust.Secret{a, b}, time.Now())
	for _, test := range []struct {
		held []trust.Secret
		want []string
	}{
		{[]trust.Secret{a}, nil}, {[]trust.Secret{b}, nil}, {[]trust.Secret{b, c}, nil}, {[]trust.Secret{a, b}, nil},
		{[]trust.Secret{c}, []string{a.ID().Short(), b.ID().Short()}},
	} {
		if was := held.foreign(test.held); !slices.Equal(was, test.want) {
			t.Errorf("%d secrets: %v, want %v", len(test.held), was, test.want)
		}
	}
	if was := (record{}).foreign([]trust.Secret{a}); was != nil {
		t.Errorf("a first start: %v", was)
	}
}
