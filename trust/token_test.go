package trust

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

func aToken() Token {
	return Token{
		Secret:     Secret(count),
		Join:       []string{"192.0.2.11:9338", "[2001:db8::11]:9338"},
		Network:    []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:244::/48")},
		Encryption: true,
		SubnetSize: [2]int{24, 64},
	}
}

func textOf(t *testing.T, token Token) string {
	t.Helper()
	text, err := token.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestATokenReadsItsOwnText(t *testing.T) {
	for _, want := range []Token{aToken(), {Secret: Secret(count)}} {
		text := textOf(t, want)
		for _, pasted := range []string{text, " " + text + "\r\n", text[:40] + "\n" + text[40:]} {
			if got, err := ParseToken(pasted); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("ParseToken(%q) = %+v, %v", pasted, got, err)
			}
		}
	}
}

// TestTheTextOfATokenIsFixed keeps tokens of version 1 readable.
func TestTheTextOfATokenIsFixed(t *testing.T) {
	const want = "weft1.pQFYIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fAoJvMTkyLjAuMi4xMTo5MzM4c1syMDAxOmRiODo6MTFdOjkzMzgDgkUK9AAAEFH9AAJEAAAAAAAAAAAAAAAAMAT1BYIYGBhA8NGDf7npyp49IEy5GiMaJg"
	if got := textOf(t, aToken()); got != want {
		t.Errorf("Text = %s\nwant   %s", got, want)
	}
}

func TestWhatIsNoTokenIsToldFromAnotherVersionAndFromADamagedOne(t *testing.T) {
	good := textOf(t, aToken())
	body := strings.TrimPrefix(good, "weft1.")
	for text, want := range map[string]error{
		"":                                    ErrNoToken,
		"weft":                                ErrNoToken,
		"weft1":                               ErrNoToken,
		"weft.":                               ErrNoToken,
		"weftx.abc":                           ErrNoToken,
		"weft123456." + body:                  ErrNoToken,
		"K10abc::server:42":                   ErrNoToken, // k3s
		Secret(count).Text():                  ErrNoToken,
		body:                                  ErrNoToken,
		"weft2." + body:                       ErrTokenVersion,
		"weft10.":                             ErrTokenVersion,
		"weft1.":                              ErrTokenDamaged,
		"weft1.AAAA":                          ErrTokenDamaged,
		good[:len(good)-1]:                    ErrTokenDamaged,
		good[:len(good)/2]:                    ErrTokenDamaged,
		good + "A":                            ErrTokenDamaged,
		good + good:                           ErrTokenDamaged,
		"weft1.!" + body[1:]:                  ErrTokenDamaged,
		"weft1." + body[1:]:                   ErrTokenDamaged,
		strings.ToLower(good):                 ErrTokenDamaged,
		"weft1." + strings.Repeat("A", 1<<20): ErrTokenDamaged,
	} {
		token, err := ParseToken(text)
		if !errors.Is(err, want) || !reflect.DeepEqual(token, Token{}) {
			t.Errorf("ParseToken(%.40q) = %v, want %v", text, err, want)
			continue
		}
		mustNotShow(t, err.Error(), body)
	}
}

func TestAnotherVersionNamesBoth(t *testing.T) {
	_, err := ParseToken("weft7.AAAA")
	if err == nil || !strings.Contains(err.Error(), "has 7") || !strings.Contains(err.Error(), "reads 1") {
		t.Errorf("err = %v", err)
	}
}

func TestAnyChangedCharacterDamagesAToken(t *testing.T) {
	good := textOf(t, aToken())
	for i := len("weft1."); i < len(good)-1; i++ { // the last one may hold bits that are not used
		other := byte('A')
		if good[i] == other {
			other = 'B'
		}
		if _, err := ParseToken(good[:i] + string(other) + good[i+1:]); !errors.Is(err, ErrTokenDamaged) {
			t.Fatalf("character %d changed: %v", i, err)
		}
	}
}

// sealed is the text of a token of version 1 with any content.
func sealed(secret Secret, body []byte) string {
	return "weft1." + base64.RawURLEncoding.EncodeToString(append(body, tokenMAC(secret, body)...))
}

func TestAFieldOfALaterWeftIsPassedOver(t *testing.T) {
	body, err := cbor.Marshal(map[int]any{1: count[:], 2: []string{"192.0.2.11:9338"}, 99: "news"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseToken(sealed(Secret(count), body)); err != nil || len(got.Join) != 1 {
		t.Errorf("ParseToken = %+v, %v", got, err)
	}
}

func TestATokenSealedUnderAnotherSecretIsDamaged(t *testing.T) {
	body, err := cbor.Marshal(aToken())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseToken(sealed(Secret{1}, body)); !errors.Is(err, ErrTokenDamaged) {
		t.Errorf("ParseToken = %v", err)
	}
}

func TestATokenThatNobodyCouldReadIsNotMade(t *testing.T) {
	many, garbled := aToken(), aToken()
	for i := range 65 {
		many.Join = append(many.Join, fmt.Sprintf("192.0.2.%d:9338", i))
	}
	garbled.Join = []string{"\xff"}
	for name, token := range map[string]Token{"many addresses": many, "an address that is not text": garbled} {
		if text, err := token.Text(); err == nil || text != "" {
			t.Errorf("%s: Text = %q, %v", name, text, err)
		}
	}
}

func TestFormattingATokenHidesItsSecret(t *testing.T) {
	if got := fmt.Sprintf("%v %+v", aToken(), aToken()); !strings.Contains(got, "(secret)") || strings.Contains(got, "1 2 3 4 5") {
		t.Errorf("got %s", got)
	}
}

func FuzzParseToken(f *testing.F) {
	good, err := aToken().Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("weft1.AAAA")
	f.Add("weft2.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := ParseToken(text)
		if err == nil {
			if again, err := token.Text(); err != nil {
				t.Errorf("a token that reads cannot be written: %v, %q", err, again)
			}
			return
		}
		if !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrTokenVersion) && !errors.Is(err, ErrTokenDamaged) {
			t.Errorf("err = %v", err)
		}
	})
}

// FuzzTokenContent gets past the HMAC, as only a holder of the secret can.
func FuzzTokenContent(f *testing.F) {
	body, err := cbor.Marshal(aToken())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, secret := range []Secret{Secret(count), {}} {
			if token, err := ParseToken(sealed(secret, body)); err == nil && token.Secret != secret {
				t.Error("a token under a key that is not its own")
			}
		}
	})
}
