# SPDX-License-Identifier: MIT
# Print the targets "name: ... ## text" of makefiles by the groups in -v groups='"Title: name ..." ...', then
# the variables "## NAME=value: text".
function show(name)
{
	printf "  make %-14s %s\n", name, text[name]
	delete text[name]
}

/^[a-z][a-z-]*:.*## / {
	name = $0
	sub(/:.*/, "", name)
	if (!(name in text))
		order[++targets] = name
	text[name] = $0
	sub(/.*## /, "", text[name])
}

/^## [A-Z_]+=[^:]*: / {
	name = substr($0, 4)
	sub(/: .*/, "", name)
	about = $0
	sub(/^[^:]*: /, "", about)
	variables = variables sprintf("  %-19s %s\n", name, about)
}

END {
	count = split(groups, group, /" *"/)
	for (i = 1; i <= count; i++) {
		gsub(/"/, "", group[i])
		title = substr(group[i], 1, index(group[i], ":"))
		members = split(substr(group[i], index(group[i], ":") + 1), member, " ")
		if (title == "Other:")
			for (n = 1; n <= targets; n++)
				member[++members] = order[n]
		shown = 0
		for (m = 1; m <= members; m++) {
			if (!(member[m] in text))
				continue
			if (!shown++)
				print title
			show(member[m])
		}
	}
	printf "Variables:\n%s", variables
}
