"""Past the lecture's 99.67 %: recipes, their selection on validation images, and one look at the test images.

The validation images are by people who wrote none of the training images (`minidl.data.resplit`, "writers"), as it
is with the test images. Networks are trained and recipes are chosen without the vault (`training`, `table`); `final`
opens it once for a recipe, scores all its networks and their votes, and writes what came out for good.
"""
