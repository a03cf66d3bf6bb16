package config

import "github.com/weftnet/weft/node/api"

// Settings are the keys of a configuration with their values. A list that is empty is not nil: JSON shows it as one.
func Settings(cfg *Config) []api.Setting {
	list := make([]api.Setting, 0, len(Keys()))
	for _, k := range Keys() {
		list = append(list, api.Setting{Key: k.Name, Values: append([]string{}, k.Values(cfg)...)})
	}
	return list
}
