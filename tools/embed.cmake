# SPDX-License-Identifier: MIT
# Writes Lua files as one C source, the data of src/host/embed.h:
#   cmake -D ROOT=lua -D LIST=files.txt -D OUT=embedded.c -P tools/embed.cmake
# LIST has one path a line, below ROOT. The text is kept readable.

file(STRINGS "${LIST}" files)
set(rows "")
foreach(file IN LISTS files)
  cmake_path(RELATIVE_PATH file BASE_DIRECTORY "${ROOT}" OUTPUT_VARIABLE path)
  string(REGEX REPLACE "(/init)?\\.lua$" "" module "${path}")
  string(REPLACE "/" "." module "${module}")
  file(READ "${file}" text)
  foreach(char "\\" "\"" "?") # "?": no trigraphs
    string(REPLACE "${char}" "\\${char}" text "${text}")
  endforeach()
  string(REPLACE "\n" "\\n\"\n\"" text "${text}")
  file(SIZE "${file}" size)
  string(APPEND rows
    "{\"${module}\", \"@${path}\",\n\"${text}\",\n${size}},\n")
endforeach()
file(WRITE "${OUT}" "#include \"host/embed.h\"\n\n"
  "const struct kl_embedded kl_embedded[] = {\n${rows}{0},\n};\n")
