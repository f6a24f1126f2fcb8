package config

import "strings"

// AnyInterface is the word for all interfaces, as with tcpdump(8).
const AnyInterface = "any"

// maxInterface is IFNAMSIZ of linux/if.h without the zero behind the name.
const maxInterface = 15

// ParseInterfaces reads "wan, wg0, ppp*": names of interfaces and patterns of
// them, in which * stands for any characters and ? for one. Where reason is not
// "" it says what is wrong.
func ParseInterfaces(value string) (list []string, reason string) {
	for more := true; more; {
		var item string
		item, value, more = strings.Cut(value, ",")
		// eth0:1 was an address with a name of its own (ip-address(8), label):
		// packets to it come in on eth0.
		name, _, _ := strings.Cut(trim(item), ":")
		switch {
		case name == "":
			return nil, "a name is missing beside a comma; give names of interfaces separated by commas"
		case name == "." || name == ".." || strings.ContainsAny(name, blanks+"/"):
			return nil, quote(name) + " cannot be the name of an interface; separate names by commas"
		case strings.ContainsAny(name, "[]{}"):
			return nil, quote(name) + " is not a pattern of names; only * and ? stand for others"
		case len(name)-strings.Count(name, "*") > maxInterface:
			return nil, quote(name) + " cannot be the name of an interface: it has more than 15 characters"
		}
		list = append(list, name)
	}
	return list, ""
}

// MatchInterface reports whether name is one that a name or pattern of
// ParseInterfaces means.
func MatchInterface(pattern, name string) bool {
	// After a mismatch the last * takes in one character more.
	star, behind := "", ""
	starred := false
	for {
		switch {
		case pattern != "" && pattern[0] == '*':
			pattern = pattern[1:]
			star, behind, starred = pattern, name, true
		case pattern != "" && name != "" && (pattern[0] == '?' || pattern[0] == name[0]):
			pattern, name = pattern[1:], name[1:]
		case pattern == "" && name == "":
			return true
		case !starred || behind == "":
			return false
		default:
			behind = behind[1:]
			pattern, name = star, behind
		}
	}
}
