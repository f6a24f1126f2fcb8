module sesame

go 1.26.0
